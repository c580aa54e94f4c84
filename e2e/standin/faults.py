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
    "ready=late": "`ready` comes 200 ms late; `e2e compare` with a run of several users shows it",
    "contract=renamed": "the search of conversations calls its `current_page` `page`; `e2e compare` shows it",
    "pusher=silent": "the pusher never answers a process request (104); the scenario `pusher` shows it",
    "protocol=status-order": "`stt_initiating` comes before `in_progress_conversations_processing`",
    "protocol=status-missing": "`ready` comes without `stt_initiating` before it",
    "protocol=ready-twice": "`ready` is said a second time",
    "protocol=early-transcript": "a transcript comes before `ready`",
    "protocol=no-first-ping": "the first message is no `ping`",
    "protocol=segment-backwards": "each segment is sent again, five seconds earlier",
    "protocol=segment-inverted": "each segment ends before it starts",
    "protocol=segment-after-delete": "each segment is deleted, and then sent again",
    "protocol=delete-unknown": "a segment is deleted that never was",
    "protocol=memory-without-start": "`memory_created` comes without `memory_processing_started`",
    "protocol=wrong-type": "the `end` of a segment is text",
    "protocol=missing-field": "segments have no `id`",
    "protocol=not-json": "a message is a Python dictionary in place of JSON",
    "protocol=close-code": "listen sessions are closed 4321 after three seconds of audio",
    "protocol=message-after-close": "a message follows the close frame of a listen session",
    "protocol=pusher-201-unasked": "the pusher greets with a 201 for a conversation that nobody asked for",
    "protocol=pusher-missing-field": "the pusher greets with a 201 that names no conversation",
    "protocol-slow=ping-gap": "every second `ping` is left out: 20 s between two; the scenario `podcast` shows it",
    "protocol-slow=pusher-201-twice": "the pusher answers a process request twice; the scenario `pusher` shows it",
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
    nearest = difflib.get_close_matches(fault, FAULTS, n=1, cutoff=0.75)
    same = [known for known in FAULTS if known.startswith(fault.partition("=")[0] + "=")]
    if nearest:
        hint = f"did you mean {nearest[0]!r}?"
    elif same:
        hint = f"use one of {', '.join(same)}."
    else:
        hint = "`e2e list --faults` names those that it has."
    return f"The stand-in has no fault {fault!r}: {hint}"
