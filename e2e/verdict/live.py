"""The figures of a run as it goes: fed with the journal's records, read by the live screen and by the exporters.

Everything by the classes that judge the run afterwards, as far as that is cheap enough beside a stream. Each message is
counted; what messages say is followed of some sessions (`e2e.verdict.followed`): to follow the segments of thousands
would cost the generator more than to receive them.

There is no clock but the records'; some come every second. Who reads may be in other threads: figures are
replaced whole, and what is iterated over is copied in one step.
"""

import math
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from e2e.record.histogram import Histogram
from e2e.verdict.bounded import BoundedCounter
from e2e.verdict.findings import Findings
from e2e.verdict.followed import FOLLOWED, Followed
from e2e.verdict.logs import ErrorLines, ImportProblems
from e2e.verdict.metrics import Latencies
from e2e.verdict.services import Service
from e2e.verdict.tally import Generator
from e2e.verdict.transcript import Tape, tape_played

Record = dict[str, Any]

WINDOW_SECONDS = 10.0
"""What "now" means for lateness; rates are those of the last three samples."""

MAX_TAPES = 100


class _Stream(NamedTuple):
    """`ends`: when its last piece is due (`t`; None: unpaced), `pieces` a second (0: unpaced), and chunks in a piece: a
    frame of the pusher holds a second."""

    ends: float | None
    pieces: float
    per_piece: int


class _Sample(NamedTuple):
    """Once a second: totals so far, and what was planned a second at that moment."""

    t: float
    chunks: int
    messages: int
    planned: float


class LiveFigures:
    """Give it every record of `KINDS`, in order: all to `take`, or each type to its own of `readers`.

    `t` is in seconds since the run began, and moves at least once a second. Counters count from there. Rates are a
    second's.
    """

    def __init__(self) -> None:
        self.run: Record = {}
        self.t = 0.0
        self.phase, self.phase_began = "boot", 0.0
        self.services: dict[str, Service] = {}
        self.resources: dict[str, Record] = {}
        self.sessions: Counter[str] = Counter()
        """By event: `connecting`, `open`, `ready`, `failed`, `closed`."""
        self.failures = BoundedCounter(20)
        self.last_failure: Record | None = None
        self.close_codes = BoundedCounter(20)
        self.messages = BoundedCounter()
        self.heard: Any = None
        self.followed = Followed()
        self.errors, self.imports = ErrorLines(), ImportProblems()
        self.found_by_audit = 0
        self.last_errors: deque[tuple[float, str, str]] = deque(maxlen=5)
        """(`t`, service, text) of the last lines that are errors and no noise, import errors among them."""
        self.generator = Generator()
        """Pieces sent and how late, over the run (a pusher session sends a second of chunks as one piece)."""
        self.sample: Record = {}
        """The last `generator` record."""
        self.started = self.dropped = 0
        self.chunks_planned = self.chunks_sent = 0
        self.streams = 0
        self.rate = self.rate_planned = self.message_rate = 0.0
        self.paused_since: float | None = None
        self.finishing = False
        self.awaited = self.drained = 0
        """Users whose last log line the drain waits for, and those of them of whom that is over."""
        self.controls = 0
        self._tapes: list[Tape] = []
        self._paused = 0.0
        self._load_began: float | None = None
        self._longest = 0.0
        self._unpaid = 0
        """Pieces of services looked at alone that the pacer has yet to count."""
        self._probes: dict[str, str] = {}
        """The kind of each."""
        self._streams: dict[str, _Stream] = {}
        self._pieces_a_second = self._chunks_a_second = 0.0
        self._per_piece = 1.0
        self._window: deque[tuple[float, Histogram]] = deque()
        self._samples: deque[_Sample] = deque(maxlen=4)

    def readers(self) -> dict[str, Callable[[Record], None]]:
        """By type of record, what takes it: give them all, in order."""
        return {kind: getattr(self, f"_{kind}") for kind in KINDS}

    def take(self, record: Record) -> None:
        """The same for a record of any type."""
        if record["type"] in _KNOWN:
            getattr(self, f"_{record['type']}")(record)

    # -- what is made of it ------------------------------------------------------------------------------------

    @property
    def load(self) -> Record:
        """`model`, `text`, `at_once`, `seconds` and `settled` of the run's load, as far as known."""
        load = (self.run.get("options") or {}).get("load")
        return load if isinstance(load, dict) else {}

    @property
    def message_count(self) -> int:
        return sum(list(self.messages.values()))

    @property
    def open_sessions(self) -> int:
        return self.sessions["open"] - self.sessions["closed"]

    @property
    def latencies(self) -> Latencies:
        return self.followed.latencies

    @property
    def findings(self) -> Findings:
        return self.followed.findings

    @property
    def some_followed(self) -> bool:
        """Whether there were more sessions than are followed."""
        return self.sessions["connecting"] > FOLLOWED

    @property
    def active(self) -> int:
        """Devices at work."""
        return self.sample.get("active") or 0

    @property
    def planned(self) -> int:
        """Devices that the load asks for now."""
        return self.sample.get("planned") or 0

    @property
    def seconds_in_phase(self) -> float:
        return self.t - self.phase_began

    @property
    def seconds_left(self) -> float | None:
        """About how long devices will still stream; None where that cannot be known, as while the load is paused."""
        return None if self.paused_since is not None else self._left(self.t)

    @property
    def stream_share(self) -> float | None:
        """How much of the streaming is done, 0 to 1: by time as far as that is known, else by chunks."""
        now = self.t if self.paused_since is None else self.paused_since
        left = self._left(now)
        if left is not None and self._load_began is not None:
            done = now - self._load_began - self._paused
            return done / (done + left) if done > 0 else 0.0
        return min(1.0, self.chunks_sent / self.chunks_planned) if self.chunks_planned else None

    @property
    def ramp_share(self) -> float | None:
        """How far the load is on its way to its most devices, 0 to 1; None when it is there, or begins with them."""
        settled = self.load.get("settled")
        if not settled or self._load_began is None or self.phase != "stream" or self.finishing:
            return None
        now = self.t if self.paused_since is None else self.paused_since
        share = (now - self._load_began - self._paused) / settled
        return share if share < 1 else None

    def _left(self, now: float) -> float | None:
        if self.phase != "stream" or self._load_began is None or self.finishing:
            return None
        length = self.load.get("seconds")
        began = self._load_began + self._paused
        if length is not None and self.load.get("model") != "arrivals":
            return max(0.0, began + length - now)
        last = began + (length or self.load.get("settled") or 0.0)
        if now < last:
            # The last one has yet to begin, and plays as long as the others.
            return last + self._longest - now if self._longest else None
        ends = [stream.ends for stream in list(self._streams.values()) if stream.ends is not None]
        if ends:
            return max(0.0, max(ends) - now)
        left = self.chunks_planned - self.chunks_sent
        return left / self.rate if left > 0 and self.rate > 0 else None

    def recent_lateness(self) -> Histogram:
        """Of the last seconds (`WINDOW_SECONDS`)."""
        recent = Histogram()
        for _, histogram in tuple(self._window):
            recent.merge(histogram)
        return recent

    # -- the run -----------------------------------------------------------------------------------------------

    def _run(self, record: Record) -> None:
        self.run = record
        self.followed.run(record)

    def _tape(self, record: Record) -> None:
        if len(self._tapes) < MAX_TAPES:
            self._tapes.append(Tape.from_record(record))

    def _phase(self, record: Record) -> None:
        self.t = record["t"]
        if record["state"] == "begin":
            self.phase, self.phase_began = record["phase"], record["t"]
            if self.phase == "stream":
                self._load_began = record["t"]
            elif self.phase == "drain":
                self.awaited = record.get("users") or 0

    def _drain(self, record: Record) -> None:
        self.drained += self.phase == "drain"

    def _control(self, record: Record) -> None:
        self.t = record["t"]
        self.controls += 1
        self.finishing |= record["what"] == "finish"
        if record["what"] == "pause":
            self.paused_since = record["t"]
        elif self.paused_since is not None and record["what"] in ("resume", "finish"):
            self._paused += record["t"] - self.paused_since
            self.paused_since = None

    # -- services ----------------------------------------------------------------------------------------------

    def _service(self, record: Record) -> None:
        name = str(record["service"])
        service = self.services.get(name) or Service(name)
        service.fold(record)
        self.services = {**self.services, name: service}

    def _resources(self, record: Record) -> None:
        self.resources = {**self.resources, str(record["service"]): record}

    def _error_line(self, record: Record) -> None:
        self.errors.fold(record)
        if not record.get("noise"):
            self._last_error(record, str(record.get("text")))

    def _import_error(self, record: Record) -> None:
        self.imports.fold(record)
        what = ".".join(str(record[name]) for name in ("module", "name") if record.get(name))
        self._last_error(record, f"{record.get('kind') or 'ImportError'}: {what}")

    def _import_failure(self, record: Record) -> None:
        if record.get("error"):
            self.imports.fold_probed(record)

    def _import_audit(self, record: Record) -> None:
        self.found_by_audit += record.get("errors") or 0

    def _last_error(self, record: Record, text: str) -> None:
        self.last_errors.append((record["t"], str(record.get("service")), text))

    # -- sessions ----------------------------------------------------------------------------------------------

    def _session(self, record: Record) -> None:
        self.t = record["t"]
        sid, event = record["sid"], record["event"]
        if event == "connecting":
            if record.get("probe"):
                self._probes[sid] = str(record.get("kind"))
                return
            self.followed.begin(sid, record)
        if sid in self._probes:
            return
        self.sessions[event] += 1
        if event == "failed":
            self.failures.count(str(record.get("reason")))
            self.last_failure = record
        elif event == "closed":
            self._plays_no_more(sid)
            if record.get("code") is not None:
                self.close_codes.count(str(record["code"]))
        session = self.followed.get(sid)
        if session is not None:
            self.followed.event(session, record)

    def _device(self, record: Record) -> None:
        if record.get("event") == "ended":
            self.followed.left(record.get("device"))

    def _message(self, record: Record) -> None:
        sid, kind = record["sid"], record["kind"]
        if sid in self._probes:
            return
        messages = self.messages
        if kind in messages:
            messages[kind] += 1  # without a call: this is done thousands of times a second
        else:
            messages.count(kind)
        if kind == "transcript":
            self.heard = record["data"]
        session = self.followed.get(sid)
        if session is not None:
            self.followed.message(session, record)

    def _sent(self, record: Record) -> None:
        session = self.followed.get(record["sid"])
        if session is not None:
            self.followed.sent(session, record)

    # -- the stream --------------------------------------------------------------------------------------------

    def _stream(self, record: Record) -> None:
        self.t = record["t"]
        sid = record["sid"]
        if sid in self._probes:
            if record["event"] == "begin":
                self._unpaid += math.ceil(record["planned"] / self._stream_of(record, self._probes[sid]).per_piece)
            return
        session = self.followed.get(sid)
        if session is not None:
            self.followed.stream(session, record, self._tapes)
        self._plays_no_more(sid)
        if record["event"] == "begin":
            stream = self._streams[sid] = self._stream_of(record, session.kind if session else "listen")
            self._longest = max(self._longest, (stream.ends or 0.0) - record["start"])
            self._plan(stream, 1)
            self.chunks_planned += record["planned"]

    def _plays_no_more(self, sid: str) -> None:
        stream = self._streams.pop(sid, None)
        if stream is not None:
            self._plan(stream, -1)

    def _stream_of(self, record: Record, kind: str) -> _Stream:
        tape = tape_played(self._tapes, record["tape"], record["planned"])
        per_piece = max(1, round(1000 / (tape.chunk_ms if tape else 100.0))) if kind == "pusher" else 1
        interval = (record.get("interval_ms") or 0.0) / 1000
        if not interval:
            return _Stream(None, 0.0, per_piece)
        return _Stream(record["start"] + record["planned"] / per_piece * interval, 1 / interval, per_piece)

    def _plan(self, stream: _Stream, sign: int) -> None:
        self.streams = len(self._streams)
        self._pieces_a_second += sign * stream.pieces
        self._chunks_a_second += sign * stream.pieces * stream.per_piece
        if not self._streams:
            self._pieces_a_second = self._chunks_a_second = 0.0  # and no rounding of floating point adds up
        elif self._pieces_a_second > 0:
            self._per_piece = self._chunks_a_second / self._pieces_a_second

    def _sends(self, record: Record) -> None:
        self.generator.sends(record)
        # The pacer counts all; what is sent to a service alone goes before the stream.
        probed = min(self._unpaid, record["n"])
        self._unpaid -= probed
        self.chunks_sent += round((record["n"] - probed) * self._per_piece)
        lateness = Histogram.from_dict(record["lateness"])
        self._window.append((record["t"], lateness))
        while self._window[0][0] < record["t"] - WINDOW_SECONDS:
            self._window.popleft()

    def _generator(self, record: Record) -> None:
        self.t = record["t"]
        self.sample = record
        sample = _Sample(record["t"], self.chunks_sent, self.message_count, self._chunks_a_second)
        self._samples.append(sample)
        first = self._samples[0]
        if sample.t > first.t:
            self.rate = (sample.chunks - first.chunks) / (sample.t - first.t)
            self.message_rate = (sample.messages - first.messages) / (sample.t - first.t)
            planned = [s.planned for s in self._samples]
            self.rate_planned = sum(planned[1:]) / (len(planned) - 1)

    def _arrivals(self, record: Record) -> None:
        self.started, self.dropped = record["started"], record["dropped"]


KINDS = (
    *("run", "tape", "phase", "control", "service", "resources", "error_line", "import_error", "import_failure"),
    *("import_audit", "session", "device", "message", "sent", "stream", "sends", "generator", "arrivals", "drain"),
)
"""The types of records that the figures are made of."""

_KNOWN = frozenset(KINDS)
