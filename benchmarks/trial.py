"""One trial: a client with so many streams against a fresh sink, sampled from outside, judged by the sink."""

import math
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.contestants import Contestant, Job
from benchmarks.machine import Cores, Samples
from benchmarks.programs import Program, Sink

SAMPLE_SECONDS = 0.1
SLACK_SECONDS = 1.0
"""Streams begin a little later than planned; without it the window that is judged would be shorter than asked for."""

GRACE_SECONDS = 60.0
"""How long after its last chunk a client may take to start, to catch up and to write its reports."""

HURRIED_SECONDS = 15.0
"""The same in a hurry: a client that needs longer is not on time, whatever it does."""

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

    `second_p99_ms` is the median of the p99 of each second. `lost` is what the sink never got of all planned chunks.
    `strangers` counts streams too many: something else on the machine found the sink, and the trial is spoiled. `kib`
    is the resident memory of the whole process. `messages` are those of the server, as sent and as received. `said`
    holds the last words of a client that did not do its work.
    """

    contestant: str
    streams: int
    started: float
    us_per_chunk: float | None
    jitter_ms: dict[str, float] | None
    second_p99_ms: float | None
    lost: int
    strangers: int
    kib: float | None
    cpu: float | None
    sink_cpu: float | None
    noise: dict[str, float] | None
    messages: dict[str, int | None]
    own: dict[str, Any]
    sink: dict[str, Any]
    said: str | None

    @property
    def on_time(self) -> bool:
        return self.lost + self.strangers == 0 and self.second_p99_ms is not None and self.second_p99_ms < ON_TIME_MS

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"on_time": self.on_time}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left of a client that ran: the sink's report, what it counted (`own`) and said, and samples of both."""

    started: float
    counted: dict[str, Any]
    own: dict[str, Any]
    said: str
    samples: Samples
    watch: Samples


class Bench:
    """Where clients run: compiled programs in `programs`, a core for the client and one for the sink."""

    def __init__(self, programs: Path, cores: Cores, lengths: Lengths = Lengths()) -> None:
        self.programs, self.cores, self.lengths = programs, cores, lengths

    def trial(self, contestant: Contestant, streams: int, lengths: Lengths | None = None, hurry: bool = False) -> Trial:
        """Run a client once. In a `hurry` it is killed when its streams have ended, without its own account."""
        lengths = lengths or self.lengths
        ramp = contestant.ramp(streams)
        chunks = lengths.chunks(ramp)
        outcome = self.run(contestant.start, contestant.own, streams, chunks, ramp, lengths.warm, hurry=hurry)
        return summarise(contestant.name, streams, chunks, outcome)

    def run(
        self,
        start: Callable[[Job], Program],
        own: Callable[[Program, Path], dict[str, Any]],
        streams: int,
        chunks: int,
        ramp: float = 0.0,
        warm: float = 0.0,
        deaf_every: int = 0,
        sample_seconds: float = SAMPLE_SECONDS,
        hurry: bool = False,
    ) -> Outcome:
        """Run a client against a fresh sink in a fresh directory, until it ends or its time is up."""
        with TemporaryDirectory(prefix="bench-") as name:
            directory = Path(name)
            for program in ("sink", "client"):
                shutil.copy(self.programs / program, directory / program)
            with Sink(directory, self.cores.sink, chunks, warm, deaf_every) as sink:
                started = time.time()
                watch = Samples(sink.pid, self.cores.sink)
                with start(Job(directory, self.cores.client, sink.port, streams, chunks, ramp)) as client:
                    samples = Samples(client.pid, self.cores.client)
                    earliest = time.monotonic() + ramp + chunks / 10
                    latest = earliest + (HURRIED_SECONDS if hurry else GRACE_SECONDS)
                    while client.running and (now := time.monotonic()) < latest:
                        if hurry and now > earliest and sink.idle:
                            client.kill()
                            break
                        samples.take()
                        watch.take()
                        time.sleep(sample_seconds)
                counted = sink.report()
            account = {} if hurry else own(client, directory)
            return Outcome(started, counted, account, client.last_words(), samples, watch)


def summarise(name: str, streams: int, chunks: int, outcome: Outcome) -> Trial:
    """Put together what the sink counted and what was sampled."""
    counted, samples = outcome.counted, outcome.samples
    judged = counted.pop("judged")
    missing = streams - counted["streams"]
    lost = counted["lost"] + max(0, missing) * chunks
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
            "sink_cpu": round(outcome.watch.cpu(*window) / seconds, 4),
            "noise": samples.noise(*window),
        }
        counted["second_p99s_ms"] = [second["p99"] for second in judged["seconds"]]
        counted["judged_chunks"] = whole["n"]
        counted["judged_seconds"] = round(seconds, 3)
    return Trial(
        contestant=name,
        streams=streams,
        started=round(outcome.started, 3),
        lost=lost,
        strangers=max(0, -missing),
        messages={"sent": counted["texts_sent"], "received": outcome.own.get("messages")},
        own=outcome.own,
        sink=counted,
        said=outcome.said if lost else None,
        **measured,
    )
