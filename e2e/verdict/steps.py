"""The time between what belongs together: the close and the line that tells of it, a request and its answer."""

from typing import Any

PAIRS = (
    ("connecting", "open", "connect call", "101"),
    ("open", "ready", "101", "ready"),
    ("first_due", "first_transcript", "first chunk due", "first transcript"),
    ("last_send", "last_transcript", "last chunk sent", "last transcript"),
    ("last_send", "closed", "last chunk sent", "closed"),
    ("closed", "log.client_disconnected", "closed", "backend logs Client disconnected"),
    ("log.client_disconnected", "log.handler_ended", "Client disconnected", "_stream_handler ended"),
    ("sent.104", "log.pusher_process_request", "104 sent", "pusher logs received process_conversation"),
    (
        "log.process_requested",
        "log.pusher_process_request",
        "backend logs 104",
        "pusher logs received process_conversation",
    ),
    ("log.pusher_process_request", "received.201", "pusher logs received process_conversation", "201 received"),
    ("sent.104", "received.201", "104 sent", "201 received"),
    ("log.process_requested", "log.conversation_processed", "backend logs 104", "backend logs the answer"),
)
"""(mark, mark, the words of each). Of several requests it is the first; a line counts from when it was read."""

_OF_A_REQUEST = frozenset({"pusher_process_request", "process_requested", "conversation_processed"})


class Steps:
    def __init__(self) -> None:
        self._marks: dict[str, float] = {}
        self._heard: tuple[float, float, float] | None = None
        self._asked: Any = None

    def mark(self, name: str, t: float, *, latest: bool = False) -> None:
        if latest or name not in self._marks:
            self._marks[name] = t

    def heard(self, second: float, due: float, t: float) -> None:
        """Audio up to this second of the session was due at `due`, and is first heard of at `t`."""
        self._heard = self._heard or (second, due, t)

    def sent(self, kind: str, data: Any, t: float) -> None:
        if kind == "pusher.104":
            self._request(data.get("conversation_id") if isinstance(data, dict) else None, "sent.104", t)

    def received(self, kind: str, data: Any, t: float) -> None:
        if kind == "pusher.201":
            self._request(data.get("conversation_id") if isinstance(data, dict) else None, "received.201", t)

    def logged(self, event: str, conversation: Any, t: float) -> None:
        if event in _OF_A_REQUEST:
            self._request(conversation, f"log.{event}", t)
        else:
            self.mark(f"log.{event}", t)

    def _request(self, conversation: Any, name: str, t: float) -> None:
        self._asked = self._asked or conversation
        if conversation == self._asked:
            self.mark(name, t)

    def to_list(self) -> list[dict[str, Any]]:
        marks, out = self._marks, []
        for begin, end, left, right in PAIRS:
            if begin in marks and end in marks:
                out.append({"from": left, "to": right, "ms": round((marks[end] - marks[begin]) * 1000, 3)})
            if end == "first_transcript" and self._heard is not None:
                second, due, t = self._heard
                left = f"audio until second {second:.2f} due"
                out.append({"from": left, "to": "first transcript", "ms": round((t - due) * 1000, 3)})
        return out
