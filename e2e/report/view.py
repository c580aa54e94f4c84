"""From `run.json` to the sections of a report, in the order in which a reviewer asks: the one source of all formats."""

import shlex
from collections import Counter
from typing import Any

from e2e.report.blocks import Block, Code, Items, Log, Mark, Marks, Pairs, Prose, Section, View
from e2e.report.view_became import became_blocks
from e2e.report.view_compare import comparison_section
from e2e.report.view_curves import curves_section
from e2e.report.view_protocol import protocol_section
from e2e.report.view_proven import proven_section
from e2e.report.view_services import endpoint_table, error_table, imports_section, service_section
from e2e.report.view_speech import speech_blocks
from e2e.report.view_stream import (
    arrivals,
    excerpt_log,
    lifecycle_timeline,
    message_table,
    sessions_table,
    stream_marks,
    stream_pairs,
)
from e2e.report.view_timeline import timeline_blocks
from e2e.verdict.causes import rank
from e2e.verdict.check import many

Summary = dict[str, Any]


def build_view(summary: Summary) -> View:
    sections = [
        _verdict_section(summary),
        comparison_section(summary["comparison"]),
        service_section(summary, "backend", "L1 backend, stand-alone"),
        Section("endpoints", "Endpoints", endpoint_table(summary)),
        service_section(summary, "pusher", "L1 pusher, stand-alone"),
        Section("stream", "E2E: audio through the services", _stream_blocks(summary)),
        curves_section(summary),
        protocol_section(summary),
        Section("became", "What became of it", became) if (became := became_blocks(summary)) else None,
        Section("log", "Log excerpt of the session", _log_blocks(summary)),
        Section("timeline", "Timeline", timeline_blocks(summary)),
        proven_section(summary["imports"]),
        imports_section(summary),
        Section("measures", "Latencies and transcript", [*speech_blocks(summary), Pairs(_generator_pairs(summary))]),
        Section("not-shown", "Not shown", _limits(summary)),
    ]
    return View(
        title=summary.get("title") or summary.get("scenario") or "run",
        run_id=str(summary.get("run_id") or "unnamed run"),
        verdict=summary["verdict"],
        exit_code=summary["exit_code"],
        sentence=summary["sentence"],
        figures=figures(summary),
        sections=[s for s in sections if s is not None],
    )


def figures(summary: Summary) -> list[tuple[str, str]]:
    """The key figures, only those that the run has."""
    counters, words = summary["counters"], summary["transcript"]
    rows = [("checks", _tally(summary["checks"]))]
    if counters["sessions"]:
        left = counters.get("sessions_ended_by_load")
        aside = f", {left} ended by the load" if left else ""
        rows.append(("sessions", f"{counters['sessions_ready']} of {counters['sessions']} ready{aside}"))
    if "dropped_arrivals" in counters:
        rows.append(("arrivals", arrivals(counters)))
    if counters["chunks_planned"]:
        rows.append(("chunks sent", f"{counters['chunks_sent']} of {counters['chunks_planned']}"))
        rows.append(("server messages", str(counters["server_messages"])))
    if words["wer"] is not None:
        rows.append(("word error rate", f"{words['wer']:.1%} of {words['words']} words"))
    first = summary["latency_ms"].get("first_segment")
    if first:
        rows.append(("first segment", f"{first['p50'] / 1000:.2f} s (p50)"))
    if counters["close_codes"]:
        rows.append(("close codes", counted(counters["close_codes"])))
    if summary["imports"]["services"]:
        found = str(summary["imports"]["lines"])
        none = "none so far" if summary["verdict"] == "running" else "not observed"
        rows.append(("import errors", found if summary["imports"]["observed"] or found != "0" else none))
    return rows


_WORDS = {"pass": "pass", "fail": "failed", "inconclusive": "undecided", "skipped": "not checked"}


def _tally(checks: list[Summary]) -> str:
    """`14 pass`, or `10 pass, 3 failed, 1 undecided`."""
    counts = Counter(check["status"] for check in checks)
    return ", ".join(f"{counts[status]} {word}" for status, word in _WORDS.items() if counts[status]) or "none"


def counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} × {n}" for name, n in counts.items())


_FIRST = ("fail", "inconclusive", "pass", "skipped")


def _order(check: Summary) -> tuple[int, int]:
    """What failed first, and of that what may be the cause of the rest."""
    return _FIRST.index(check["status"]), rank(check["name"]) if check["status"] == "fail" else 0


def mark_of(check: Summary) -> str:
    return "none" if check["status"] == "skipped" else check["status"]


def _verdict_section(summary: Summary) -> Section:
    target, options = summary["target_details"], summary["options"]
    where = ", ".join(f"{n} {target[n]}" for n in ("backend", "pusher") if target.get(n))
    kind = "the stand-in" if target.get("standin") else "real services"
    timers = target.get("timers")
    if target.get("standin") and timers is not None:
        kind += f", timers at {timers:g} of their real length" if timers != 1 else ", timers at full length"
    known = ("users", "chunks", "audio", "codec", "duration", "seed")
    chosen = ", ".join(f"{k} {options[k]}" for k in known if options.get(k) is not None)
    pairs = [
        ("scenario", f"{summary['scenario']}: {summary.get('title') or ''}".rstrip(": ")),
        ("target", f"{summary['target']} ({kind}){f': {where}' if where else ''}"),
        ("started", f"{summary.get('started') or 'unknown'}, took {summary['duration']:.1f} s, {summary['ended']}"),
        ("pace", summary["pace"] + (" (real time)" if summary["pace"] == "realtime" else " (not real time)")),
        *_load_pairs(summary),
        ("options", chosen or "defaults"),
        ("versions", versions(summary)),
    ]
    ordered = sorted(summary["checks"], key=_order)
    checks = [Mark(mark_of(c), c["name"], c["detail"], c["evidence"]) for c in ordered]
    blocks: list[Block] = [Marks(checks) if checks else Prose("Nothing was expected of this run."), Pairs(pairs)]
    if summary["command"]:
        blocks += [Prose("The command to repeat it:"), Code(shlex.join(repeated(summary["command"])))]
    return Section("verdict", "Verdict", blocks)


_WATCHING = ("--quiet", "--web", "--prometheus", "--otel")
"""Options that change nothing of what is run; what follows all but the first, unless it is an option, is its value."""


def repeated(command: list[Any]) -> list[str]:
    """The command without the options of who watched it."""
    kept: list[str] = []
    dropped = ""
    for word in map(str, command):
        if word.partition("=")[0] in _WATCHING:
            dropped = word
        elif dropped and dropped in _WATCHING[1:] and not word.startswith("-"):
            dropped = ""
        else:
            kept.append(word)
            dropped = ""
    return kept


_USUAL = {"phase": "spread", "mask": "shared"}
_WAYS = {"loop": "event loop", "outlet": "sends"}
"""Of the environment."""

_OUTLETS = {"ring": "by io_uring", "transport": "by sockets"}


def _load_pairs(summary: Summary) -> list[tuple[str, str]]:
    """The load, and how it was sent where that is not as usual, or where many devices make it matter."""
    options = summary["options"]
    load = options.get("load") if isinstance(options.get("load"), dict) else {}
    several = (load.get("at_once") or 0) > 1 or load.get("model", "users") != "users"
    environment = summary["environment"]
    ways = {k: options.get(k) for k in _USUAL} | {word: environment.get(k) for k, word in _WAYS.items()}
    told = [
        f"{k} {_OUTLETS.get(str(v), v)}"
        for k, v in ways.items()
        if v is not None and (several or v != _USUAL.get(k, v))
    ]
    rows = [("load", str(load["text"]))] if several and load.get("text") else []
    return [*rows, ("sent with", ", ".join(told))] if told else rows


def versions(summary: Summary) -> str:
    """`e2e 0.1.0, python 3.11.2, ...`, and what the services say of themselves."""
    known = [f"e2e {summary['version']}"] if summary.get("version") else []
    environment = summary["environment"]
    packages = environment.get("packages")
    for name, value in (*environment.items(), *(packages.items() if isinstance(packages, dict) else ())):
        if isinstance(value, str | int | float) and name not in _WAYS:
            known.append(f"{name} {value}")
    for name, service in summary["services"].items():
        routes = service.get("routes") or {}
        if routes.get("version"):
            known.append(f"{name} {routes.get('title') or ''} {routes['version']}".replace("  ", " "))
    return ", ".join(known) or "unknown"


def _stream_blocks(summary: Summary) -> list[Block]:
    if not summary["counters"]["sessions"]:
        return [Prose("No session of the stream was opened.")]
    blocks: list[Block] = [Pairs(stream_pairs(summary)), Marks(stream_marks(summary))]
    if summary["counters"]["messages_by_type"]:
        blocks += [Prose("Messages received, by type:"), message_table(summary)]
    blocks += sessions_table(summary)
    return blocks


def _log_blocks(summary: Summary) -> list[Block]:
    blocks = [*lifecycle_timeline(summary), *excerpt_log(summary)]
    errors = summary["errors"]
    if errors["count"] or errors["noise"]:
        blocks.append(Prose(f"{many(errors['count'], 'error line')}, and {errors['noise']} known to be harmless."))
    if errors["groups"]:
        blocks.append(error_table(errors))
    if errors["lines"]:
        lines = [f"{e['t']:9.3f} {e['service']} {e['level']} {e['text']}" for e in errors["lines"][:20]]
        blocks.append(Log(f"error lines ({len(lines)} of {errors['count']})", lines))
    return blocks or [Prose("No log line was read.")]


def _generator_pairs(summary: Summary) -> list[tuple[str, str]]:
    generator = summary["generator"]
    late, lag = generator["send_lateness_ms"], generator["loop_lag_ms"]
    short = f"{' and '.join(generator['resources'])}: " if generator["resources"] else ""
    health = {None: "not judged", True: "on time", False: short + "; ".join(generator["reasons"])}
    rows = [("generator", health[generator["valid"]])]
    if generator["valid"] is False:
        fine = generator["streams_ok"]
        rows.append(("streams that it sent on time", "none seen" if fine is None else f"up to {fine}"))
    if late["count"]:
        rows.append(("send lateness", f"p50 {late['p50']:.2f}, p99 {late['p99']:.2f}, max {late['max']:.2f} ms"))
    if lag["count"]:
        rows.append(("event loop lag", f"p99 {lag['p99']:.2f}, max {lag['max']:.2f} ms"))
    if generator["cpu"] is not None:
        rows.append(("its CPU", f"{generator['cpu']:.1%} of a core on average, {generator['cpu_max']:.1%} at most"))
    if generator["rss_mb"]:
        rows.append(("its memory", f"{generator['rss_mb']:.0f} MB"))
    most = {name: generator[f"{name}_max"] for name in ("steal", "foreign", "open_files", "active", "planned")}
    shares = {"other machines": most["steal"], "other programs": most["foreign"]}
    taken = [f"up to {share:.0%} by {who}" for who, share in shares.items() if share is not None]
    if taken:
        rows.append(("machine used by others", ", ".join(taken)))
    if most["open_files"] is not None:
        rows.append(("its open files", f"{most['open_files']} at most"))
    if (most["planned"] or 0) > 1:
        rows.append(("devices at work", f"{most['active']} at most, {most['planned']} asked for at most"))
    return rows


def _limits(summary: Summary) -> list[Block]:
    blocks: list[Block] = [Items(summary["not_shown"])] if summary["not_shown"] else []
    if summary["notes"]:
        blocks += [Prose("Notes of the run:"), Items(summary["notes"])]
    return blocks or [Prose("Nothing is known to be missing.")]
