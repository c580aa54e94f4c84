"""The faults that can be planted in the stand-in: `NAME=VALUE` and what each one does.

A fault is planted where it would happen for real: the table only names it, and the place that owns the behaviour asks
for it with `Faults.get`.
"""

import difflib
from collections.abc import Iterable

from e2e.errors import UsageError

FAULTS: dict[str, str] = {
    "import=boot": "the backend imports a name that is gone and dies at boot with the real traceback",
    "import=circular": "the backend dies at boot of two modules that import each other",
    "import=route": "a route (store-recording-permission) answers 500: the name that it imports is gone",
    "import=stream": "the session imports a name that is gone at its first audio; one log line says so",
    "import=background": "a background task of the session imports a module that is gone",
    "import=swallowed": "the session imports a name that is gone at its first audio, and silently does without it",
    "session=never-ready": "listen sessions are accepted and greeted, but `ready` never comes",
    "session=close-1011": "listen sessions are closed 1011 after three seconds of audio",
    "session=vanish": "the TCP connection of a listen session is cut after three seconds of audio (1006)",
    "pusher=silent": "the pusher never answers a process request (104)",
    "webhook=drop": "the pusher leaves out every third delivery to a developer webhook, the first one among them",
    "webhook=double": "the pusher delivers every third time twice to a developer webhook",
    "webhook=late": "the pusher delivers to developer webhooks eight seconds late",
}


class Faults:
    """The faults of one run, at most one value a name.

    Raises:
        UsageError: a fault that is not in the table, or two values of one name.
    """

    def __init__(self, planted: Iterable[str] = ()) -> None:
        self._values: dict[str, str] = {}
        for fault in planted:
            if fault not in FAULTS:
                raise UsageError(_unknown(fault))
            name, _, value = fault.partition("=")
            if self._values.setdefault(name, value) != value:
                raise UsageError(f"Fault {name!r} is given twice ({self._values[name]!r}, {value!r}): choose one.")

    def get(self, name: str) -> str | None:
        return self._values.get(name)


def _unknown(fault: str) -> str:
    nearest = difflib.get_close_matches(fault, FAULTS, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"use one of {', '.join(FAULTS)}."
    return f"The stand-in has no fault {fault!r}: {hint}"
