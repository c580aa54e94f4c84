"""The part about latencies and words: tables and histograms, how it was over the load, and what was understood."""

from typing import Any

from e2e.report.blocks import Block, Items, Log, Pairs, Prose, SideBySide, Table
from e2e.report.text import visible
from e2e.report.view_curves import distributions
from e2e.verdict.check import many
from e2e.verdict.metrics import METRICS

Summary = dict[str, Any]

MAX_ROWS = 60
MAX_CHARS = 10_000
"""Of a text that a reader compares; hours of speech would be most of the page."""
MAX_LOG_CHARS = 100_000
"""Of the history of segments."""


def speech_blocks(summary: Summary) -> list[Block]:
    words = summary["transcript"]
    blocks: list[Block] = []
    if summary["latency_note"]:
        blocks.append(Prose(f"{summary['latency_note'][0].upper()}{summary['latency_note'][1:]}."))
    blocks += [*latency_table(summary), *distributions(summary)]
    rows = steadiness(summary)
    blocks += [Pairs(rows)] if rows else []
    if words["sid"] is not None:
        blocks += understanding(summary)
    return blocks


def latency_table(summary: Summary) -> list[Block]:
    latencies = summary["latency_ms"]
    if not latencies:
        return [Prose("No latency was measured.")]
    columns = ("count", "p50", "p90", "p95", "p99", "max")
    rows = [[name, *(number(h[c]) for c in columns), _definition(name, h)] for name, h in latencies.items()]
    head = ["latency (ms)", *columns, "definition"]
    return [Table(head, rows, numeric=frozenset(range(1, 7)))]


def _definition(name: str, histogram: dict[str, Any]) -> str:
    share = histogram.get("negative_share")
    return METRICS.get(name, "") + (f"; {share:.0%} of the values are negative" if share else "")


def steadiness(summary: Summary) -> list[tuple[str, str]]:
    """What shows that a service keeps up."""
    lag, heartbeat, rows = summary["transcript_lag"], summary["heartbeat"], []
    if lag["slope"] is not None:
        known = f"standard error {lag['standard_error']:.4f}, {many(lag['sessions'], 'session')}"
        rows.append(("slope of the transcript lag", f"{lag['slope']:+.4f} s a second ({known}); {_falls(lag)}"))
    elif "transcript_lag" in summary["latency_ms"]:
        rows.append(("slope of the transcript lag", "not told: no session was sampled for 50 s"))
    if heartbeat["longest_gap_s"] is not None:
        expected = f"one every {heartbeat['expected_s']:g} s is expected"
        rows.append(("longest time without a ping", f"{heartbeat['longest_gap_s']:.1f} s; {expected}"))
    counters = summary["counters"]
    if counters["backlog_max_bytes"]:
        backlog = f"{counters['backlog_max_bytes']} bytes, {counters['backlog_max_chunks']:g} of its chunks"
        rows.append(("most audio of a session that waited", backlog))
    return rows


def _falls(lag: dict[str, Any]) -> str:
    doubt = 2 * lag["standard_error"]
    if lag["slope"] > doubt:
        return "above 0: the service falls behind"
    return "below 0: the service catches up" if lag["slope"] < -doubt else "not told from 0"


def understanding(summary: Summary) -> list[Block]:
    words = summary["transcript"]
    blocks: list[Block] = [Prose(_words_sentence(words)), Pairs(_figures(words))]
    if words["not_claimed"]:
        blocks.append(Items(words["not_claimed"]))
    blocks += _over_load(summary["series"]["quality"])
    reference = words["reference"]
    said = reference if reference else "(nothing was said)" if reference == "" else "(not known)"
    blocks.append(SideBySide("Said", _begin(said), "Heard", _begin(words["text"] or "(nothing)")))
    if words["segments"]:
        title = f"{many(len(words['segments']), 'segment')} of session {words['sid']}, with their history"
        blocks.append(Log(title, _as_many([line for s in words["segments"] for line in _history(s)])))
    return blocks


def _as_many(lines: list[str]) -> list[str]:
    """The lines that there is room for, made visible: what hides takes more room than it had."""
    shown, used = [], 0
    for line in map(visible, lines):
        used += len(line)
        if used > MAX_LOG_CHARS:
            return [*shown, f"... {len(lines) - len(shown)} more lines are in run.json"]
        shown.append(line)
    return shown


def _begin(text: str) -> str:
    text = visible(text)
    return (
        text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}… ({len(text) - MAX_CHARS} more characters in run.json)"
    )


def _words_sentence(words: dict[str, Any]) -> str:
    if words["wer"] is None:
        return "Word error rate: not measured, there is no reference of words that were said."
    sessions = many(words["sessions_measured"], "session")
    return (
        f"Word error rate {words['wer']:.1%}: of {words['words']} words {words['substitutions']} substituted, "
        f"{words['deletions']} missed, {words['insertions']} added; character error rate {words['cer']:.1%} of "
        f"{words['characters']} characters. Pooled over {sessions} ({words['normalisation']})."
    )


def _figures(words: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if words["coverage"] is not None:
        rows.append(("coverage", f"{words['coverage']:.1%} of {words['speech_s']:.1f} s of speech lie under a segment"))
        rows.append(("longest gap", f"{words['longest_gap_s']:.1f} s of speech that no segment covers"))
    if words["words_on_silence"] is not None:
        rows.append(("words on silence", str(words["words_on_silence"])))
    if words["speaker_changes"] is not None:
        changes = words["speaker_changes"]
        rows.append(("speaker changes", f"{changes['heard']} heard, {changes['said']} in what was said"))
    if words["segment_ids"]:
        each = f"{words['revisions_per_segment']:.2f} for each of {words['segment_ids']} segments"
        rows.append(("revisions", f"{words['revisions']}, {each}"))
        rows.append(("deleted segments", f"{words['segments_deleted']} ({words['deleted_share']:.1%})"))
        rows.append(("segments out of order", str(words["segments_out_of_order"])))
    return rows


def _over_load(quality: dict[str, Any]) -> list[Block]:
    """The same figures by the time at which it was said, and by the streams that played then."""
    minutes, streams = quality["by_time"], quality["by_streams"]
    blocks: list[Block] = []
    if len(streams) > 1:
        rows = [[row["streams"], *_rates(row)] for row in streams]
        blocks.append(Table(["streams at once", *_HEAD], rows, numeric=frozenset(range(1, 6))))
    if len(minutes) > 1:
        rows = [[f"{row['t'] / 60:g}", f"{row['streams']:g}", *_rates(row)] for row in minutes[:MAX_ROWS]]
        blocks.append(Table(["from minute", "streams", *_HEAD], rows, numeric=frozenset(range(7))))
    return blocks


_HEAD = ["words", "WER", "CER", "speech s", "coverage"]


def _rates(row: dict[str, Any]) -> list[str]:
    wer, cer, coverage = ("–" if row[n] is None else f"{row[n]:.1%}" for n in ("wer", "cer", "coverage"))
    return [str(row["words"]), wer, cer, f"{row['speech_s']:.0f}", coverage]


def _history(segment: dict[str, Any]) -> list[str]:
    speaker = f" {segment['speaker']}" if segment["speaker"] else ""
    gone = f", deleted at {segment['deleted']:.2f}" if segment["deleted"] is not None else ""
    lines = [f"{segment['id']}{speaker} {segment['start']:.2f} to {segment['end']:.2f} s{gone}: {segment['text']}"]
    lines += [f"    {v['t']:9.2f} to {v['end']:.2f} s: {v['text']}" for v in segment["versions"]]
    beyond = segment["updates"] + 1 - len(segment["versions"])
    return [*lines, f"    and {beyond} more changes"] if beyond > 0 else lines


def number(value: float | int | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
