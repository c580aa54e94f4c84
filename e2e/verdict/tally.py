"""What is only counted: totals over the sessions, and the samples of the generator itself."""

from collections import Counter
from dataclasses import dataclass, field

from e2e.record.histogram import Histogram

MAX_LATE_SHARE = 0.01
"""Share of chunks that may be later than half their interval."""

SATURATED = 0.95
"""Share of a core above which it has nothing left to give."""


@dataclass(slots=True)
class Totals:
    """Counters over the sessions of the stream; probes are not among them."""

    sessions: int = 0
    connected: int = 0
    reached: int = 0
    failed: int = 0
    planned: int = 0
    sent: int = 0
    transcripts: int = 0
    displaced: int = 0
    bytes: int = 0
    unsettled: int = 0
    close_codes: Counter = field(default_factory=Counter)
    backlog: int = 0
    probes: int = 0
    probe_chunks: int = 0


@dataclass(slots=True)
class Generator:
    """Samples of the generator itself, once a second, while audio was sent: loop lag in ms, and what the pacer counted.

    `late` counts the chunks sent later than half their interval; `lateness` is actual - intended instant in ms.
    `saturated` counts the seconds, after the first, in which the core was full and chunks were late; `streams_ok` is
    the largest number of streams in a second in which nothing was amiss (None: there was no such second); `steal` is
    the largest share of a second that the machine gave to others.
    """

    samples: int = 0
    cpu_sum: float = 0.0
    cpu_max: float = 0.0
    rss_mb: float = 0.0
    lag: Histogram = field(default_factory=Histogram)
    lateness: Histogram = field(default_factory=Histogram)
    sent: int = 0
    late: int = 0
    saturated: int = 0
    streams_ok: int | None = None
    steal: float = 0.0
