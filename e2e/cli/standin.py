"""`e2e standin`: the stand-in's two services on loopback, and the target that a run with `--standin` uses."""

import asyncio
import random
import secrets
import signal
import socket
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

import e2e
from e2e.cli.params import MAX_PORT, Whole
from e2e.errors import ServiceError, UsageError

options_of_the_standin = (
    click.option("--fault", "faults", multiple=True, metavar="NAME=VALUE", help="Plant a fault in the stand-in."),
    click.option(
        "--recogniser",
        type=click.Choice(("sphinx", "vad")),
        default="sphinx",
        show_default=True,
        help="How the stand-in hears: pocketsphinx, or by energy (for load).",
    ),
    click.option("--timers", type=float, default=1.0, metavar="SCALE", help="Scale the stand-in's timers; 1 is real."),
)


def standin_options(function: Any) -> Any:
    """The options that `e2e run --standin` and `e2e standin` have in common."""
    for option in reversed(options_of_the_standin):
        function = option(function)
    return function


def standin_target(
    directory: Path,
    *,
    port: int = 0,
    pusher_port: int = 0,
    recogniser: str = "sphinx",
    timers: float = 1.0,
    seed: int = 0,
    faults: tuple[str, ...] = (),
) -> Any:
    """The stand-in as a `TargetConfig`, with its database in `directory`; a port of 0 means any free one.

    Its services are started with the credentials that the run sends: those of the environment, or ones made up now.

    Raises:
        UsageError: the extra `standin` is not installed, or an unknown fault.
    """
    missing = [name for name in ("fastapi", "uvicorn", "pocketsphinx") if find_spec(name) is None]
    if missing:
        raise UsageError(f"the stand-in needs {', '.join(missing)}: pip install 'e2e[standin]'")
    from e2e.config import default_credentials
    from e2e.engine.target import TargetConfig
    from e2e.observe.spec import ImportsSpec, LogSpec, ServiceSpec
    from e2e.protocol.auth import Credentials
    from e2e.standin.plan import plan
    from e2e.standin.settings import Settings

    credentials = default_credentials() or Credentials("admin", secrets.token_urlsafe(24), "e2e-test")
    settings = Settings(
        db=directory / "standin.db",
        recogniser=recogniser,  # type: ignore[arg-type]
        timers=timers,
        seed=seed,
        faults=faults,
        admin_key=credentials.secret if credentials.scheme == "admin" else None,
        token=credentials.secret if credentials.scheme == "bearer" else None,
        token_uid=credentials.uid,
    )
    plans = plan(settings, port=port or free_port(), pusher_port=pusher_port or free_port())
    package = Path(e2e.__file__).parent
    imports = ImportsSpec(
        root=package,
        watch=("e2e.standin.models",),
        audit=package / "standin",
        baseline=package / "standin" / "imports.json",  # the planted faults, and nothing else
    )
    specs = {
        name: ServiceSpec(
            name=name,  # type: ignore[arg-type]
            url=service.url,
            command=service.command,
            env=service.env,
            health=service.health,
            log=LogSpec("process"),
            imports=imports,
        )
        for name, service in plans.items()
    }
    return TargetConfig(
        name="standin",
        credentials=credentials,
        timers=timers,
        profile="2026-03",
        details={"recogniser": recogniser, "faults": list(faults)},
        **specs,
    )


def too_many_to_hear(devices: int, recogniser: str) -> str | None:
    """What to say of so many devices at once before they begin; None where the stand-in hears them all in time."""
    from e2e.standin.ears import MAX_EARS

    if recogniser != "sphinx" or devices <= MAX_EARS:
        return None
    return (
        f"up to {devices} devices at once, and the stand-in's sphinx hears {MAX_EARS} speakers: "
        f"recognition will lag behind; for load, say --recogniser vad, or fewer --users"
    )


def free_port() -> int:
    """A port that nothing listens on. Not one that the kernel gives to outgoing connections: one of these could take it
    before the service does (by default they begin at 32768, and at 49152 on other systems)."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServiceError("no free port on loopback between 20000 and 32000")


@click.command(name="standin")
@click.option("--port", type=Whole(1, MAX_PORT), default=10220, show_default=True, help="Port of the backend.")
@click.option("--pusher-port", type=Whole(1, MAX_PORT), default=10221, show_default=True)
@standin_options
def command(port: int, pusher_port: int, faults: tuple[str, ...], recogniser: str, timers: float) -> None:
    """Serve a small, faithful Omi on loopback: backend and pusher as two processes, until Ctrl-C."""
    _check_ports({"--port": port, "--pusher-port": pusher_port})
    with tempfile.TemporaryDirectory(prefix="e2e-standin-") as directory:
        target = standin_target(
            Path(directory),
            port=port,
            pusher_port=pusher_port,
            recogniser=recogniser,
            timers=timers,
            faults=faults,
        )
        asyncio.run(_serve(target, Path(directory)))


def _check_ports(ports: dict[str, int]) -> None:
    from e2e.observe.health import port_taken

    if len(set(ports.values())) < len(ports):
        raise UsageError(f"{' and '.join(ports)} are both {min(ports.values())}: choose two ports")
    for option, port in ports.items():
        if holder := port_taken("127.0.0.1", port):
            raise UsageError(f"port {port} is in use (by {holder}): choose another with {option}")


async def _serve(target: Any, directory: Path) -> None:
    from e2e.config import default_credentials
    from e2e.observe.launcher import Services
    from e2e.record.journal import Journal
    from e2e.record.redact import Redactor

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with Journal(directory / "journal.jsonl", time.monotonic, Redactor(target.secrets)) as journal:
        ended = asyncio.Event()

        def show(record: dict[str, Any]) -> None:
            if record["type"] == "log":
                click.echo(f"{record['service']:8}| {record['text']}")
            elif record["type"] == "service" and record["event"] == "exited":
                ended.set()

        journal.subscribe(show, "log", "service")
        (directory / "logs").mkdir()
        services = Services(
            target.services(("backend", "pusher")), journal, directory / "logs", probe=False, audit=False
        )
        try:
            await services.start()
            click.echo(f"stand-in: backend {target.backend.url}, pusher {target.pusher.url}; Ctrl-C ends it")
            if default_credentials() is None:
                # Only good for this process and on loopback; whoever starts it needs it to say anything to it.
                click.echo(f"export ADMIN_KEY={target.credentials.secret}   # made up: none was set")
            waiters = [asyncio.create_task(event.wait()) for event in (stop, ended)]
            await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
            for waiter in waiters:
                waiter.cancel()
        finally:
            await services.stop()
