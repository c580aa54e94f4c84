"""The conversation that a session is in: resumed or begun, its segments, its end."""

import logging
import time
from dataclasses import dataclass, field
from uuid import uuid4

from e2e.standin import models
from e2e.standin.models import Document
from e2e.standin.recogniser import Heard
from e2e.standin.settings import Settings
from e2e.standin.store import Store

RESUME_SECONDS = 120
"""A conversation that was spoken in this recently goes on when its user comes back."""

logger = logging.getLogger("routers.transcribe")


@dataclass(slots=True)
class Conversation:
    """`origin` is where in the recogniser's time the conversation's second 0 lies."""

    id: str
    origin: float
    segments: dict[str, Document] = field(default_factory=dict)


class ConversationKeeper:
    """Keeps one session's conversation in the store. `timeout` is nominal seconds, before scaling."""

    def __init__(self, store: Store, settings: Settings, uid: str, session_id: str) -> None:
        self._store, self._settings, self._uid, self._session_id = store, settings, uid, session_id
        self._ids: dict[int, str] = {}
        self.current: Conversation | None = None

    def open(self, language: str, source: str, timeout: int, origin: float = 0.0) -> str | None:
        """Resume the user's conversation or begin one; `origin` is now, in the recogniser's time.

        Returns the id of an old conversation that was left open and has to be processed first.
        """
        self._store.add_user(self._uid)
        found = self._store.latest(self._uid, "in_progress")
        if found is None:
            self.begin(language, source, origin)
            return None
        document, finished = found
        silent, window = time.time() - finished, self._settings.scaled(RESUME_SECONDS)
        if silent >= window:
            self.begin(language, source, origin)
            return document["id"]
        started = models.unix(document["started_at"])
        self.current = Conversation(document["id"], origin=origin - (time.time() - started))
        self.current.segments.update((item["id"], item) for item in document["transcript_segments"])
        left = max(0, timeout - silent / self._settings.timers)
        self._log(f"Resuming conversation {document['id']}. Will timeout in {left:.0f}s")
        return None

    def begin(self, language: str, source: str, origin: float = 0.0) -> None:
        document = models.stub(language, source, time.time())
        self._store.create(self._uid, document)
        self.current = Conversation(document["id"], origin)
        self._log(f"Created new stub conversation: {document['id']}")

    def first_audio(self) -> None:
        """Second 0 of a conversation is its first audio, not its creation."""
        self._store.update(self.current.id, started_at=models.iso(time.time()))

    def hear(self, heard: list[Heard], provider: str) -> tuple[list[Document], list[str]]:
        """Segments that are new or have grown, and ids of those that turned out to be nothing. Both are stored."""
        gone = [self._ids[item.key] for item in heard if not item.text and item.key in self._ids]
        grown = []
        for item in heard:
            if item.text:
                segment_id = self._ids.setdefault(item.key, str(uuid4()))
                origin = self.current.origin
                grown.append(models.segment(segment_id, item.text, item.start - origin, item.end - origin, provider))
        self.put(grown)
        if gone:
            self._store.delete_segments(self.current.id, gone)
            for segment_id in gone:
                self.current.segments.pop(segment_id, None)
        return grown, gone

    def put(self, segments: list[Document]) -> None:
        """Store segments; who was said to speak in them stays."""
        if not segments:
            return
        for item in segments:
            known = self.current.segments.get(item["id"])
            if known is not None:
                item |= {"person_id": known["person_id"], "is_user": known["is_user"]}
            self.current.segments[item["id"]] = item
        self._store.put_segments(self.current.id, segments)

    def assign(self, segment_ids: list[str], person_id: str) -> list[str]:
        """Name the speaker of segments. Returns those that this conversation has."""
        known = [self.current.segments[one] for one in segment_ids if one in self.current.segments]
        for item in known:
            item |= {"person_id": None if person_id == "user" else person_id, "is_user": person_id == "user"}
        if known:
            self._store.put_segments(self.current.id, known)
        return [item["id"] for item in known]

    def add_photo(self, photo: Document) -> None:
        """A photo is something that happened: the conversation goes on."""
        document = self._store.get(self.current.id)
        if document is not None:
            self._store.update(self.current.id, photos=[*document["photos"], photo])
            self._store.put_segments(self.current.id, [])

    def goes_on(self) -> bool:
        """Whether nobody has handed the conversation on, or removed it."""
        document = self._store.get(self.current.id)
        return document is not None and document["status"] == "in_progress"

    def silent_for(self) -> float:
        """Seconds since the conversation was last spoken in, or began."""
        finished = self._store.finished(self.current.id)
        return time.time() - finished if finished is not None else 0.0

    def _log(self, text: str) -> None:
        logger.info("%s %s %s", text, self._uid, self._session_id)
