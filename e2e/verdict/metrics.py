"""The latencies by name, and where they are collected: over the run, and as one-second series."""

from e2e.record.histogram import Histogram
from e2e.record.series import Series
from e2e.verdict.samples import STRETCH_SECONDS, Samples

REALTIME = "realtime"

METRICS = {
    "connect": "connection established - connect call",
    "handshake": "101 received - intended connect instant",
    "ready": "service_status ready - 101 received",
    "step_initiating": "service_status initiating - 101 received",
    "step_conversations": "service_status in_progress_conversations_processing - the status before",
    "step_stt_initiating": "service_status stt_initiating - the status before",
    "step_ready": "service_status ready - the status before (usually stt_initiating)",
    "first_segment": "first transcript - intended send instant of the first byte",
    "first_segment_speech": "first transcript - first speech of the tape",
    "segment_emission": "first sight of a segment - (first byte + the segment's end)",
    "segment_stabilisation": "last change of a segment's text - (first byte + the segment's end)",
    "finalisation": "last transcript - intended send instant of the last chunk",
    "transcript_lag": "audio due so far - largest end of a segment so far, each second",
    "heartbeat": "interval between two pings",
    "heartbeat_offset": "interval between two pings - 10 s",
    "memory_created": "memory_created - memory_processing_started of the same conversation",
    "pusher_processing": "201 received - 104 sent",
    "webhook_transcript": "first delivery of a segment to a webhook - (first byte + the segment's end)",
    "webhook_audio": "delivery of audio to a webhook - intended send instant of its last sample",
    "reconnect_downtime": "next ready of the same device - close",
    "reconnect_audio_gap": "first byte after a reconnect - end of the audio sent before",
    "send_lateness": "actual - intended send instant of a chunk (the generator's own)",
}
"""Latencies by name, with their definition. All are in milliseconds."""

STEPS = {
    "initiating": "step_initiating",
    "in_progress_conversations_processing": "step_conversations",
    "stt_initiating": "step_stt_initiating",
    "ready": "step_ready",
}
"""The metric of each status on the way to `ready`; together they are `ready`."""

ANY_PACE = frozenset({"connect", "handshake", "ready"})
"""What may be claimed at every pace: audio that is sent faster than it was spoken makes all others meaningless."""

BY_AUDIO_TIME = frozenset(
    {"segment_emission", "segment_stabilisation", "transcript_lag", "webhook_transcript", "webhook_audio"}
)
"""What rests on the times of segments; sessions whose times count from another beginning are left out."""

IN_SERIES = frozenset(
    {
        *("handshake", "ready", "first_segment", "segment_emission", "segment_stabilisation"),
        *("finalisation", "transcript_lag", "heartbeat", "pusher_processing", "send_lateness"),
    }
)
"""What is kept as a series too. The others are seldom, or parts of these."""


class Latencies(dict[str, Histogram]):
    """Histograms by metric, made when first needed; those of `in_series` are there once `close` was called.

    `samples` holds the same in blocks, to be compared with another run, unless that is not wanted (`in_blocks`).
    """

    def __init__(self, in_series: frozenset[str] = IN_SERIES, in_blocks: bool = True) -> None:
        super().__init__()
        self._in_series, self._in_blocks = in_series, in_blocks
        self.series: dict[str, Series[Histogram]] = {}
        self.samples: dict[str, Samples] = {}

    def add(self, metric: str, ms: float | None, t: float, number: int) -> None:
        """Count a duration of session `number` that became known `t` s after the run began. None: it is not known."""
        if ms is None:
            return
        self.at(metric, t).add(ms)
        if not self._in_blocks:
            return
        samples = self.samples.get(metric)
        if samples is None:
            samples = self.samples[metric] = Samples()
        samples.add(ms, number, int(t // STRETCH_SECONDS))

    def at(self, metric: str, t: float) -> Histogram:
        """Where durations of that metric that become known at `t` are counted."""
        if metric not in self._in_series:
            histogram = self.get(metric)
            if histogram is None:
                histogram = self[metric] = Histogram()
            return histogram
        series = self.series.get(metric)
        if series is None:
            series = self.series[metric] = Series(Histogram)
        return series.at(t)

    def close(self) -> None:
        """Called once, at the end: what was kept as a series is summed up."""
        for metric, series in self.series.items():
            self[metric] = series.total()
