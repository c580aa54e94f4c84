"""Legal sessions, generated from the tables themselves: an event is legal in a state where its entry names no code."""

from hypothesis import strategies as st

from e2e.protocol.listen_table import EVENTS, MAX_BACK, PING_GAP, ListenTable
from e2e.protocol.machine import CLOSED
from e2e.protocol.profile import PROFILES

CLIENTS = {"open", "sent", "stream.begin", "stream.end", CLOSED}


class Speaker:
    """Fills the events of one session with content that keeps to the rules."""

    def __init__(self, draw) -> None:
        self.draw = draw
        self.ends: dict[str, float] = {}
        self.gone: set[str] = set()
        self.started: list[str] = []
        self.ids = 0

    def new_id(self) -> str:
        self.ids += 1
        return f"id{self.ids}"

    def content(self, event: str):
        """The data of an event; None: it would be illegal now."""
        draw = self.draw
        if event.startswith("status."):
            name = event.removeprefix("status.")
            return {"type": "service_status", "status": "later" if name == "other" else name, "status_text": None}
        if event == "transcript":
            living = [key for key in self.ends if key not in self.gone]
            key = draw(st.sampled_from([*living, ""])) or self.new_id()
            before = self.ends.get(key, 0.0)
            end = before + draw(st.floats(-MAX_BACK if key in self.ends else 0.0, 30.0))
            start = min(end, draw(st.sampled_from([-4.8e-07, 0.0, end])))
            self.ends[key] = end
            return [{"id": key, "text": "words", "start": start, "end": end, "speaker": "SPEAKER_0"}]
        if event == "segments_deleted":
            living = [key for key in self.ends if key not in self.gone]
            if not living:
                return None
            key = draw(st.sampled_from(living))
            self.gone.add(key)
            return {"type": event, "segment_ids": [key]}
        if event == "memory_processing_started":
            self.started.append(self.new_id())
            return {"type": event, "memory": {"id": self.started[-1]}, "messages": []}
        if event == "memory_created":
            return {"type": event, "memory": {"id": self.started.pop()}} if self.started else None
        return {"type": event}


@st.composite
def legal_sessions(draw):
    """A profile, and the events of a session that it allows: (event, seconds, data)."""
    profile = draw(st.sampled_from(sorted(PROFILES)))
    steps = ListenTable.tables[profile]
    state, t, ping, speaker = "connecting", 0.0, 0.0, Speaker(draw)
    said = [("open", t, None)]
    state = steps[state, "open"][0]
    for _ in range(draw(st.integers(0, 40))):
        t += draw(st.floats(0.0, PING_GAP / 2))
        legal = [e for e in EVENTS if e not in (CLOSED, "open", "malformed") and not steps[state, e][1]]
        event = draw(st.sampled_from(legal))
        if t - ping > PING_GAP / 2:
            event = "ping"
        data = speaker.content(event) if event not in CLIENTS else None
        if data is None and event not in CLIENTS:
            continue
        ping = t if event == "ping" else ping
        state = steps[state, event][0]
        said.append(("service_status" if event.startswith("status.") else event, t, data))
    code = draw(st.sampled_from(sorted(PROFILES[profile].listen_closes)))
    said.append((CLOSED, t, {"code": code, "by": "server", "sent_code": code}))
    return profile, said
