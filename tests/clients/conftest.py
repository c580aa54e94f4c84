"""What client tests share: a link with a real journal, and servers on loopback."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from websockets.asyncio.server import serve

from e2e.audio.library import load_tape
from e2e.audio.tape import Tape
from e2e.clients import address
from e2e.clients.framing import FramedTape
from e2e.clients.session import Link
from e2e.engine.pacer import Pacer
from e2e.record.journal import Journal, read_journal

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]

LOOPS = (
    pytest.param(asyncio.SelectorEventLoop, id="asyncio"),
    pytest.param(
        uvloop and uvloop.new_event_loop,
        id="uvloop",
        marks=pytest.mark.skipif(uvloop is None, reason="uvloop is not installed"),
    ),
)
"""The event loops that clients run on."""


OPENSSL_OPTIONS = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
    "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost"
)


class Bench:
    """A link whose journal can be read back."""

    def __init__(self, directory: Path, speed: float | None = None, ready_timeout: float = 2.0, outlet=None) -> None:
        directory.mkdir(exist_ok=True)
        self.journal = Journal(directory / "journal.jsonl", time.monotonic)
        anchor = time.time() - time.monotonic()
        self.link = Link(
            journal=self.journal,
            pacer=Pacer(time.monotonic, speed, outlet=outlet),
            clock=time.monotonic,
            wall=lambda instant: anchor + instant,
            throttle=contextlib.nullcontext(),
            tape=self.tape,
            connect_timeout=2.0,
            ready_timeout=ready_timeout,
        )

    async def tape(self, name, codec, chunks):
        tape = name if isinstance(name, Tape) else load_tape(name, codec=codec, chunks=chunks or 20)
        return FramedTape.of(tape)

    def records(self, type: str, **fields):
        self.journal.flush()
        wanted = {"type": type, **fields}
        return [r for r in read_journal(self.journal.path) if all(r.get(k) == v for k, v in wanted.items())]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@contextlib.asynccontextmanager
async def websocket_server(handler, **options):
    """A `websockets` server on a free port; gives its origin."""
    scheme = "https" if options.get("ssl") else "http"
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def raw_server(handler):
    """A TCP server on a free port; gives its origin."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """The context of a server whose certificate this process trusts while the fixture lives."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificate")
    directory = tmp_path_factory.mktemp("tls")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", *OPENSSL_OPTIONS.split(), "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        address.tls_context.cache_clear()  # the wire reads the trusted certificates once
        yield context
    address.tls_context.cache_clear()
