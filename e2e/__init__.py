"""End-to-end audio streaming load tester for Omi's backend and pusher.

The public API of scenario scripts. Names are loaded when they are first used, so that importing `e2e` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from e2e.audio.library import load_tape
    from e2e.audio.tape import Tape
    from e2e.engine import steps
    from e2e.engine.device import Device
    from e2e.engine.load import Load
    from e2e.engine.scenario import Drain, scenario
    from e2e.engine.target import Target
    from e2e.errors import SessionError
    from e2e.verdict import expect

_HOMES = {
    "Device": "e2e.engine.device",
    "Drain": "e2e.engine.scenario",
    "Load": "e2e.engine.load",
    "SessionError": "e2e.errors",
    "Tape": "e2e.audio.tape",
    "Target": "e2e.engine.target",
    "load_tape": "e2e.audio.library",
    "scenario": "e2e.engine.scenario",
}
_MODULES = {"expect": "e2e.verdict.expect", "steps": "e2e.engine.steps"}

__all__ = [
    "Device",
    "Drain",
    "Load",
    "SessionError",
    "Tape",
    "Target",
    "expect",
    "load_tape",
    "scenario",
    "steps",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = import_module(_MODULES[name])
    else:
        raise AttributeError(f"module 'e2e' has no attribute {name!r}")
    globals()[name] = value
    return value
