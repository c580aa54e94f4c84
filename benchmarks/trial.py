"""One trial: a client with so many streams against a fresh sink, sampled from outside, judged by the sink."""

import math
import shutil
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.contestants import Contestant, Job
from benchmarks.machine import Cores, Samples
from benchmarks.programs import Sink

SAMPLE_SECONDS = 0.1
SLACK_SECONDS = 1.0
"""Streams begin a little later than planned; without it the window that is judged would be shorter than asked for."""

GRACE_SECONDS = 60.0
"""How long after its last chunk a client may take to start, to catch up and to write its reports."""

ON_TIME_MS = 10.0


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds: `warm` between the last stream's beginning and the window that is judged, and that `window`."""

    warm: float = 5.0
    window: float = 10.0

    def chunks(self, ramp: float) -> int:
        """How many chunks each stream needs."""
        return math.ceil((ramp + SLACK_SECONDS + self.warm + self.window) * 10)


@dataclass(frozen=True, slots=True)
class Trial:
    """What one trial showed; None where no window could be judged, because the streams never ran all at once.

    `second_p99_ms` is the median of the p99 of each second, `lost` what the sink never got of all planned chunks,
    `kib` the resident memory of the whole process. `messages` are those of the server, as sent and as received.
    """

    contestant: str
    streams: int
    started: float
    us_per_chunk: float | None
    jitter_ms: dict[str, float] | None
    second_p99_ms: float | None
    lost: int
    kib: float | None
    cpu: float | None
    sink_cpu: float | None
    noise: dict[str, float] | None
    messages: dict[str, int | None]
    own: dict[str, Any]
    sink: dict[str, Any]

    @property
    def on_time(self) -> bool:
        return self.lost == 0 and self.second_p99_ms is not None and self.second_p99_ms < ON_TIME_MS

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"on_time": self.on_time}


class Bench:
    """Where trials take place: compiled programs in `programs`, a core for the client and one for the sink."""

    def __init__(self, programs: Path, cores: Cores, lengths: Lengths) -> None:
        self.programs, self.cores, self.lengths = programs, cores, lengths

    def trial(self, contestant: Contestant, streams: int, lengths: Lengths | None = None) -> Trial:
        """Run a client once."""
        lengths = lengths or self.lengths
        ramp = contestant.ramp(streams)
        chunks = lengths.chunks(ramp)
        with TemporaryDirectory(prefix="bench-") as name:
            directory = self.workplace(Path(name))
            with Sink(directory, self.cores.sink, chunks, lengths.warm) as sink:
                started = time.time()
                watch = Samples(sink.pid, self.cores.sink)
                job = Job(directory, self.cores.client, sink.port, streams, chunks, ramp)
                with contestant.start(job) as program:
                    samples = Samples(program.pid, self.cores.client)
                    deadline = time.monotonic() + ramp + chunks / 10 + GRACE_SECONDS
                    while program.running and time.monotonic() < deadline:
                        samples.take()
                        watch.take()
                        time.sleep(SAMPLE_SECONDS)
                counted = sink.report()
            own = contestant.own(program, directory)
        return summarise(contestant.name, streams, chunks, started, counted, own, samples, watch)

    def workplace(self, directory: Path) -> Path:
        """An empty directory becomes one in which a sink and any client can be started."""
        for program in ("sink", "client"):
            shutil.copy(self.programs / program, directory / program)
        return directory


def summarise(
    name: str,
    streams: int,
    chunks: int,
    started: float,
    counted: dict[str, Any],
    own: dict[str, Any],
    samples: Samples,
    watch: Samples,
) -> Trial:
    """Put together what the sink counted and what was sampled."""
    judged = counted.pop("judged")
    lost = counted["lost"] + (streams - counted["streams"]) * chunks
    measured: dict[str, Any] = dict.fromkeys(
        ("us_per_chunk", "jitter_ms", "second_p99_ms", "kib", "cpu", "sink_cpu", "noise")
    )
    if judged is not None:
        window = judged["from"], judged["to"]
        seconds, whole = window[1] - window[0], judged["whole"]
        cpu = samples.cpu(*window)
        measured = {
            "us_per_chunk": round(cpu / whole["n"] * 1e6, 3) if whole["n"] else None,
            "jitter_ms": {key: whole[key] for key in ("p50", "p99", "max")},
            "second_p99_ms": round(statistics.median(second["p99"] for second in judged["seconds"]), 3),
            "kib": samples.resident(*window),
            "cpu": round(cpu / seconds, 4),
            "sink_cpu": round(watch.cpu(*window) / seconds, 4),
            "noise": samples.noise(*window),
        }
        counted["second_p99s_ms"] = [second["p99"] for second in judged["seconds"]]
        counted["judged_chunks"] = whole["n"]
        counted["judged_seconds"] = round(seconds, 3)
    return Trial(
        contestant=name,
        streams=streams,
        started=round(started, 3),
        lost=lost,
        messages={"sent": counted["texts_sent"], "received": own.get("messages")},
        own=own,
        sink=counted,
        **measured,
    )
