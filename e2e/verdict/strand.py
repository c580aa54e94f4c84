"""What happened to one session, in words: each record that is its own becomes an entry of its timeline."""

from dataclasses import dataclass
from typing import Any

from e2e.verdict.entries import CLIENT, SERVER, Entries, Entry, cut, spread
from e2e.verdict.join import Life
from e2e.verdict.metrics import REALTIME
from e2e.verdict.state import MAX_AHEAD
from e2e.verdict.steps import Steps
from e2e.verdict.transcript import says_something, segments_of

Record = dict[str, Any]

_PARTS = 10
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 21_600, 86_400)
_SHORTEST = 5.0  # s of audio that are worth being cut into parts
_ERAS = 10  # plays; those after them are folded together
_MAX_SEGMENTS = 20_000

_BEATS = frozenset({"ping", "keep_alive", "pusher.100"})
_ROUTINE_SENT = frozenset({"pusher.102"})
_ROUTINE_LOGGED = frozenset({"integrations_triggered", "audio_queue_warning"})
_BAD_LINES = frozenset({"websocket_refused", "session_inactive", "pusher_lost", "audio_queue_warning"})
_CLOSED_BY = {"client": "by the client", "server": "by the server", "lost": "the connection was lost"}


@dataclass(slots=True)
class Line:
    """A line of a service's log. `ids` are those that it names, `event` what it means where the catalogue knows."""

    service: str
    n: Any
    t: float
    level: str | None
    text: str
    ids: Record
    event: str | None = None

    @property
    def is_error(self) -> bool:
        return self.level in ("ERROR", "CRITICAL")


class Strand:
    def __init__(self, life: Life) -> None:
        self.life = life
        self.entries = Entries()
        self.steps = Steps()
        self.device: Any = None
        self._plays: list[tuple[float, float]] = []  # intended instant of byte 0, seconds of audio before it
        self._played = 0
        self._audio = 0.0
        self._realtime = False
        self._ticks: list[tuple[float, str, str]] = []
        self._segments: set[str] = set()
        self._heard = False
        self._displaced = False

    # -- the client --------------------------------------------------------------------------------------------

    def session(self, record: Record) -> None:
        t, event = record["t"], str(record.get("event"))
        self.device = record.get("device", self.device)
        self.steps.mark(event, t)
        if event == "connecting":
            self.entries.mark(t, CLIENT, "connects", str(record.get("url") or ""))
        elif event == "open":
            self.entries.mark(t, SERVER, "101: open", fields(record, "connect_ms", "handshake_ms"))
        elif event == "failed":
            detail = ": ".join(str(record[k]) for k in ("reason", "error") if record.get(k))
            self.entries.mark(t, CLIENT, "failed", detail, bad=True)
        elif event == "closed":
            self._closed(record)
        elif event != "ready":  # the server's own message tells it
            self.entries.add(Entry(t, CLIENT, event))

    def _closed(self, record: Record) -> None:
        self._tell_audio(record["t"])
        self.entries.next_era()
        by, reason = record.get("by"), record.get("reason")
        who = f"{_CLOSED_BY.get(str(by), '')}{f': {reason}' if reason else ''}"
        counts = f"{record.get('chunks_sent')} of {record.get('chunks_planned')} chunks sent"
        detail = f"{who}; {counts}, {record.get('messages')} messages received"
        code = record.get("code")
        self.entries.mark(record["t"], CLIENT if by == "client" else SERVER, f"closed {code}", detail, bad=code != 1000)

    def begins(self, record: Record, chunk_ms: float) -> None:
        """Audio begins. `chunk_ms` is the audio of one chunk."""
        start, planned = record.get("start"), int(record.get("planned") or 0)
        start = float(start) if isinstance(start, int | float) else record["t"]
        pace, seconds = str(record.get("pace") or REALTIME), planned * chunk_ms / 1000
        self._realtime = pace == REALTIME
        self._plays = [*self._plays[-50:], (start, self._audio)]
        self._audio += seconds
        self._played += 1
        self.steps.mark("first_due", start)
        detail = f"{record.get('tape')}: {planned} chunks of {chunk_ms:g} ms, pace {pace}"
        self._new_era()
        self.entries.add(Entry(start, CLIENT, "first chunk due", detail, plural="plays"), kind="first chunk")
        if self._realtime and seconds >= _SHORTEST and self._played <= _ERAS:
            self._cut(start, planned, seconds, chunk_ms)

    def _cut(self, start: float, planned: int, seconds: float, chunk_ms: float) -> None:
        """Tell how far the audio is, at most `_PARTS` times; what repeats is folded in between.

        When each chunk was due is known; when it left, only of the last one, and of all sessions together.
        """
        step = next((s for s in _STEPS if seconds / s <= _PARTS), seconds / _PARTS)
        self.entries.part = lambda t: int((t - start) // step)
        for n in range(1, _PARTS + 1):
            if n * step < seconds:
                chunk = round(n * step * 1000 / chunk_ms) + 1
                self._ticks.append((start + n * step, f"chunk {chunk} of {planned} due", f"{n * step:g} s of audio"))

    def ends(self, record: Record) -> None:
        """Audio ends."""
        sent, last, t = record.get("sent"), record.get("last_send"), record["t"]
        what = "stops playing: nothing sent"
        if isinstance(last, int | float) and sent:
            self.steps.mark("last_send", last, latest=True)
            t, what = last, f"last chunk sent: {sent}"
        self._tell_audio(t)
        self._new_era()
        detail = fields(record, "seconds", "realtime_factor")
        self.entries.add(Entry(t, CLIENT, what, detail, plural="plays ended"), kind="last chunk")

    def _tell_audio(self, until: float) -> None:
        """How far the audio was, up to the instant when it ended."""
        for t, what, detail in self._ticks:
            if t < until:
                self.entries.mark(t, CLIENT, what, detail)
        self._ticks.clear()

    def _new_era(self) -> None:
        self.entries.part = lambda t: 0
        if self._played <= _ERAS:
            self.entries.next_era()

    def sent(self, record: Record) -> None:
        kind, t = str(record.get("kind")), record["t"]
        self.steps.sent(kind, record.get("data"), t)
        name = kind.removeprefix("pusher.")
        entry = Entry(t, CLIENT, f"sends {name}", said(record.get("data")), plural=f"{name} sent")
        self.entries.add(entry, beat=kind in _BEATS, routine=kind in _ROUTINE_SENT)

    def conversation(self, record: Record) -> None:
        found = bool(record.get("found"))
        detail = f"{record.get('conversation')}: {'' if found else 'not '}found"
        detail = f"{detail}, {fields(record, 'status', 'state', 'segments', 'error')}"
        self.entries.add(Entry(record["t"], CLIENT, "reads the conversation over HTTP", detail, bad=not found))

    def left(self, record: Record) -> None:
        self.entries.mark(record["t"], CLIENT, "the load ends the device", str(record.get("why") or ""))

    def other(self, record: Record) -> None:
        """A kind of record that nothing is known of, but whose it is."""
        what = str(record["type"])
        rest = {k: v for k, v in record.items() if k not in ("t", "type", "sid", "uid")}
        self.entries.add(Entry(record["t"], CLIENT, what, said(rest), plural=f"{what} records"))

    # -- the server --------------------------------------------------------------------------------------------

    def message(self, record: Record) -> None:
        kind, data, t = str(record.get("kind")), record.get("data"), record["t"]
        if kind == "transcript":
            self._transcript(data, t)
            return
        self.steps.received(kind, data, t)
        name, bad = kind.removeprefix("pusher."), False
        if isinstance(data, dict):
            bad = bool(data.get("error")) or data.get("success") is False or data.get("status") == "stt_failed"
            if kind == "service_status":
                name = kind = f"service_status {data.get('status')}"
                data = {k: v for k, v in data.items() if k != "status"}
        detail = "" if kind == "ping" else said(data)
        plural = f"{name}{'s' if kind == 'ping' else ' messages'}"
        self.entries.add(Entry(t, SERVER, name, detail, bad, plural=plural), kind=kind, beat=kind in _BEATS)

    def _transcript(self, data: Any, t: float) -> None:
        items = segments_of(data)
        words = [str(item["text"]).strip() for item in items if says_something(item)]
        lags: list[float] = []
        for item in items:
            due = self._first_sight(item)
            # Of a resumed conversation segments count from another session's audio.
            self._displaced |= due is not None and not self._heard and due - t > MAX_AHEAD
            if due is not None and not self._displaced:
                lags.append(t - due)
                self.steps.heard(float(item["end"]), due, t)
        entry = Entry(t, SERVER, "transcript", f"“{words[-1]}”" if words else "no words", plural="transcripts")
        entry.lags = spread(lags)
        if words:
            self.steps.mark("last_transcript", t, latest=True)
            self.steps.mark("first_transcript", t)
        if words and not self._heard:
            self._heard, entry.what = True, "first transcript"
            self.entries.add(entry)
        else:
            self.entries.add(entry, routine=True)

    def _first_sight(self, item: Record) -> float | None:
        """Of a new segment: the `t` at which its last second of audio was due to be sent."""
        key, end = str(item.get("id")), item.get("end")
        if key in self._segments or len(self._segments) >= _MAX_SEGMENTS:
            return None
        self._segments.add(key)
        if not self._realtime or not isinstance(end, int | float) or isinstance(end, bool):
            return None
        for start, before in reversed(self._plays):
            if end >= before or (start, before) == self._plays[0]:
                return start + end - before
        return None

    # -- the logs ----------------------------------------------------------------------------------------------

    def logged(self, line: Line, doubt: str | None) -> Entry:
        """`doubt`: why the line may be another session's."""
        event = line.event
        if event is not None and doubt is None:
            self.steps.logged(event, line.ids.get("conversation"), line.t)
            self._displaced |= event == "conversation_resumed"
        what = event or ("line" if line.level in (None, "INFO", "DEBUG") else line.level.lower())
        plural = "lines alike" if what == "line" else f"{what} lines"
        bad = line.is_error or event in _BAD_LINES
        entry = Entry(line.t, f"{line.service} log", what, line.text, bad, doubt, plural)
        return self.entries.add(entry, kind=event or alike(line.text), routine=event in _ROUTINE_LOGGED)

    # -- the end -----------------------------------------------------------------------------------------------

    def finish(self, last_t: float) -> None:
        """The journal has ended, at `last_t`; perhaps before the session did."""
        self._tell_audio(last_t)


def fields(record: Record, *names: str) -> str:
    """`connect_ms 0.3, handshake_ms 5.2`: those that the record has."""
    return ", ".join(f"{name} {record[name]}" for name in names if record.get(name) is not None)


def said(data: Any) -> str:
    """What a message holds, on one line: its plain values by name, of longer ones how many there are."""
    if not isinstance(data, dict):
        return "" if data is None else cut(str(data))
    parts = []
    for name, value in list(data.items())[:12]:
        if name == "type" or value is None:
            continue
        if isinstance(value, dict):
            value = value.get("id", f"{len(value)} fields")
        elif isinstance(value, list):
            value = value[0] if len(value) == 1 and isinstance(value[0], str) else f"{len(value)}"
        parts.append(f"{name} {cut(str(value))}")
    return cut(", ".join(parts))


def alike(text: str) -> str:
    """What a line says with numbers masked: the same for lines that only count on."""
    return "".join("#" if c.isdigit() else c for c in text[:80])
