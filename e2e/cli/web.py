"""`--web`: the report of a run while it goes, in a browser. The run only starts and ends a process that does the work.

That process follows the journal on disk (`e2e/cli/webserver.py`), so that the event loop that sends audio has no part
in it. It holds the end of a pipe from the run: when the run is gone, whatever way, the pipe closes and it goes too.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from e2e.errors import UsageError
from e2e.observe.auditing import package_environment
from e2e.record.rundir import RunDirectory

HOST = "127.0.0.1"
ENDED = b"ended\n"
"""What the process is told when the reports of the run are written."""

_END_SECONDS = 5.0


def listen(port: int) -> socket.socket:
    """Take the port (0: any free one) before anything else is started. Only this machine reaches it.

    Raises:
        UsageError: it is taken, or may not be used.
    """
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UsageError(
            f"--web {port}: {HOST}:{port} cannot be used: {error.strerror}; choose another port, or 0 for any free one"
        ) from error


@contextmanager
def served(directory: RunDirectory, listening: socket.socket) -> Iterator[None]:
    """Serve the report of the run as long as this lasts; then whoever watches gets the final one."""
    port = listening.getsockname()[1]
    click.echo(f"watch it at http://{HOST}:{port}/", err=True)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "e2e.cli.webserver", str(listening.fileno()), str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(listening.fileno(),),
        env=package_environment(),
        # Ctrl-C is for the run, which then says what is to be done.
        start_new_session=True,
    )
    listening.close()
    order = b""
    try:
        yield
        order = ENDED
    finally:
        # It may have been killed, or hang: that is no reason for the run to fail.
        try:
            process.communicate(order, timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
