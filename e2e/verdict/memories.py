"""What a session was told of conversations that are processed, of photos, and what it waited for."""

from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]

MAX_MEMORIES = 50
MAX_PHOTOS = 200
MAX_WORD = 100
"""Characters of an id or a status: more is nobody's."""

FINISHED = "completed"


@dataclass(slots=True)
class Memory:
    """One `memory_created`. `announced`: its `memory_processing_started` came before it."""

    id: str
    status: str | None
    structured: bool
    discarded: bool
    announced: bool

    @property
    def problem(self) -> str | None:
        name = f"conversation {self.id}"
        if not self.announced:
            return f"{name}: memory_created without memory_processing_started before it"
        if self.status != FINISHED:
            return f"{name} was created with status {self.status!r}, not {FINISHED!r}"
        # What holds nothing worth keeping gets no title.
        return None if self.structured or self.discarded else f"{name} was created without a title or an overview"


@dataclass(slots=True)
class Told:
    """Of one session. `photos` holds by the device's id of each photo how far it came: `sent`, `processing`,
    `described`, `discarded`.
    """

    started: set[str] = field(default_factory=set)
    created: list[Memory] = field(default_factory=list)
    waits: list[Record] = field(default_factory=list)
    photos: dict[str, str] = field(default_factory=dict)
    _photo_ids: dict[str, str] = field(default_factory=dict)

    def message(self, kind: str, data: Any) -> None:
        if not isinstance(data, dict):
            return
        if kind in ("memory_processing_started", "memory_created"):
            memory = data.get("memory")
            self._memory(kind, memory if isinstance(memory, dict) else {})
        elif kind == "photo_processing" and data.get("temp_id") in self.photos:
            self.photos[data["temp_id"]] = "processing"
            self._photo_ids[str(data.get("photo_id"))] = data["temp_id"]
        elif kind == "photo_described" and (sent := self._photo_ids.get(str(data.get("photo_id")))):
            self.photos[sent] = "discarded" if data.get("discarded") else "described"

    def photo(self, data: Any) -> None:
        """The device sent one."""
        if isinstance(data, dict) and len(self.photos) < MAX_PHOTOS:
            self.photos[str(data.get("id"))] = "sent"

    def waited(self, record: Record) -> None:
        if len(self.waits) < MAX_MEMORIES:
            self.waits.append(record)

    def _memory(self, kind: str, memory: dict[str, Any]) -> None:
        memory_id = str(memory.get("id"))[:MAX_WORD]
        if kind == "memory_processing_started":
            if len(self.started) < MAX_MEMORIES:
                self.started.add(memory_id)
            return
        about = memory.get("structured")
        about = about if isinstance(about, dict) else {}
        if len(self.created) < MAX_MEMORIES:
            self.created.append(
                Memory(
                    memory_id,
                    None if memory.get("status") is None else str(memory["status"])[:MAX_WORD],
                    bool(about.get("title") or about.get("overview")),
                    memory.get("discarded") is True,
                    memory_id in self.started,
                )
            )


TOLD = frozenset({"memory_processing_started", "memory_created", "photo_processing", "photo_described"})
"""The kinds of messages that `Told.message` follows."""
