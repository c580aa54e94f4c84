"""The planted import faults: real statements, really executed, that ask for what is not there.

Each stands for one way in which a broken import shows in the real services; see `faults.FAULTS`.
"""

import logging

logger = logging.getLogger("routers.transcribe")


def at_boot() -> None:
    """Raises ImportError: the process dies with a traceback."""
    from e2e.standin.models import Geolocation  # noqa: F401


def in_a_circle() -> None:
    """Raises ImportError, of two modules that import each other."""
    from e2e.standin.circle import Structured  # noqa: F401


def swallowed() -> None:
    """Nobody says a word of it."""
    try:
        from e2e.standin.models import Geolocation
    except ImportError:
        Geolocation = None  # noqa: F841


def while_streaming() -> None:
    """The handler's `except Exception` makes one line of it, without a traceback; the stream goes on."""
    try:
        from e2e.standin.models import CalendarContext  # noqa: F401
    except Exception as error:
        logger.error("Error during WebSocket operation: %s", error)


async def in_background() -> None:
    """Raises ModuleNotFoundError in a task that nobody waits for: asyncio says so when it drops the task."""
    import e2e.standin.conversation_summary  # noqa: F401


def in_a_route() -> None:
    """Raises ImportError: the request is answered 500 and the traceback is logged."""
    from e2e.standin.models import ConversationPhoto  # noqa: F401
