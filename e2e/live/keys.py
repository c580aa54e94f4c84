"""Single keys of the terminal, read on the event loop, and a terminal that is left as it was found whatever happens."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

try:
    import termios
except ImportError:  # not everywhere
    termios = None  # type: ignore[assignment]

MAX_KEYS = 64
ESCAPE = b"\x1b"


class KeyReader:
    """Calls `press(key)` for each key while it is entered. `hide` and `show` are called around a stop by Ctrl-Z.

    Ctrl-C stays the signal that it is.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fd: int,
        press: Callable[[str], None],
        hide: Callable[[], None],
        show: Callable[[], None],
    ) -> None:
        self._loop, self._fd, self._press = loop, fd, press
        self._hide, self._show = hide, show
        self._before: list[Any] = []
        self._handler: Any = None

    def __enter__(self) -> "KeyReader":
        self._before = termios.tcgetattr(self._fd)
        self._handler = signal.signal(signal.SIGTSTP, self._stop_soon)
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        signal.signal(signal.SIGTSTP, self._handler)

    def _begin(self) -> None:
        mode = termios.tcgetattr(self._fd)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSANOW, mode)
        self._loop.add_reader(self._fd, self._read)

    def _end(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
        with suppress(termios.error, OSError):  # the terminal may be gone
            termios.tcsetattr(self._fd, termios.TCSANOW, self._before)

    def _read(self) -> None:
        try:
            typed = os.read(self._fd, MAX_KEYS)
        except OSError:
            typed = b""
        if not typed:
            self._loop.remove_reader(self._fd)  # the terminal is gone
        elif not typed.startswith(ESCAPE):  # an arrow or a function key is none of ours
            for key in typed.decode("utf-8", "replace"):
                self._press(key)

    def _stop_soon(self, *_: object) -> None:
        # In a turn of the loop: a handler may find the console in the middle of a line.
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self._hide()
        self._end()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # returns when the shell lets it go on
        signal.signal(signal.SIGTSTP, self._stop_soon)
        self._begin()
        self._show()


def keyboard() -> int | None:
    """The terminal that keys may be read from: standard input, where it is one and we are in its foreground."""
    if termios is None or not sys.stdin or sys.stdin.closed:
        return None
    with suppress(OSError, ValueError):
        fd = sys.stdin.fileno()
        if os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp():
            return fd
    return None


@contextmanager
def quick_turns(seconds: float = 0.0005) -> Iterator[None]:
    """While other threads draw and answer, the thread that sends waits for its turn no longer than this."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
