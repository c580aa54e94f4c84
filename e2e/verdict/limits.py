"""What a run could not show, said plainly: a report that is silent about it would claim it."""

from e2e.verdict.facts import Facts
from e2e.verdict.judge import Verdict


def latency_limits(facts: Facts, verdict: Verdict) -> str | None:
    """Why some or all latencies are not claimed; None when all are."""
    if verdict.generator.valid is False:
        return f"no latency is claimed: {verdict.generator.words()}"
    if facts.unpaced:
        return f"pace {facts.unpaced}: no latency but connect, handshake and ready is claimed"
    return None


def unclaimed(facts: Facts) -> list[str]:
    """What of the transcript is not claimed, and why."""
    listened = [s for s in facts.stream if s.kind == "listen" and s.plays]
    if not listened and not facts.folded:
        return []
    words, quality, lines = facts.words, facts.quality, []
    if words.rate is None:
        why = "The recogniser writes no words" if facts.wordless else "No reference of what was said is known"
        lines.append(f"{why}, so the quality of the transcript was not measured.")
    elif words.unmeasured:
        lines.append(
            f"Word and character errors of {words.unmeasured} of {words.unmeasured + words.sessions} sessions: no "
            "reference of what they said is known."
        )
    if not quality.timed:
        lines.append(
            "It is not known when something was said: no coverage, gap, speaker change or word on silence is claimed."
        )
    return lines


def not_shown(facts: Facts, verdict: Verdict) -> list[str]:
    return [
        *_logs(facts),
        *_imports(facts),
        *_endings(facts),
        *_measures(facts, verdict),
        *_target(facts),
    ]


def _logs(facts: Facts):
    for name in facts.under_test:
        why = facts.not_read(name)
        service = facts.services.get(name)
        if why and not facts.running:
            yield f"{why}: nothing that happened inside {name} is known."
        elif service is None or service.launched is None:
            yield f"{name} ran before this run, so its log was not read from its boot: imports at boot are not covered."
        log = facts.logs.get(name)
        if log is not None and log.dated is False and log.lines:
            yield (
                f"The lines of {name}'s log carry no time with a zone: any of before this run that its command said "
                "count as this run's."
            )


def _imports(facts: Facts):
    if not facts.under_test:
        return
    if all(map(facts.audits.done, facts.under_test)):
        yield (
            "Imports that this run never executed were only looked at by the audit, which knows neither names made at "
            "run time nor what is installed beside the services."
        )
    else:
        yield "Imports inside functions that this run never called do not show."
    unprobed = [name for name in facts.under_test if not facts.exercised.saw(name)]
    if unprobed:
        yield (
            f"Failed imports that the code of {' and '.join(unprobed)} swallows without a log line do not show: the "
            "import probe did not see all of it."
        )


def _endings(facts: Facts):
    awaited = facts.drains.awaited
    if facts.totals.reached and "handler_ended" not in awaited and any(s.kind == "listen" for s in facts.stream):
        yield (
            "Handler ends (`_stream_handler ended`) were not awaited: the services log them up to a minute after the "
            "close, and what fails in between does not show."
        )
    if facts.cut_short:
        yield f"{facts.cut_short[0].upper()}{facts.cut_short[1:]}: what it had still to do is unknown."
    if facts.stream and not facts.totals.reached:
        yield "No session got ready, so nothing of the stream was tested."


def _measures(facts: Facts, verdict: Verdict):
    limits = latency_limits(facts, verdict)
    if limits:
        yield f"{limits[0].upper()}{limits[1:]}."
    yield from unclaimed(facts)
    listened = [s for s in facts.stream if s.kind == "listen" and s.plays]
    displaced = [s for s in listened if s.displaced]
    if displaced:
        ahead = [s.shift for s in displaced if s.shift is not None and s.shift > 0]
        known = f" (the first segment was about {max(ahead):.0f} s ahead of the audio)" if ahead else ""
        yield (
            "Emission, stabilisation, lag and coverage of "
            f"{facts.totals.displaced} of {facts.totals.sessions} sessions: "
            f"their segment times count from an earlier session of a resumed conversation{known}."
        )
    if listened and not any(s.conversation for s in listened):
        yield "The stored conversation was not read over HTTP."
    if verdict.generator.valid is None and facts.totals.sent:
        yield "The generator's own timing was not judged: nothing was sent at a pace, or the journal holds no sample."


def _target(facts: Facts):
    target = facts.run.get("target") or {}
    if target.get("standin"):
        yield "The target is the stand-in that ships with e2e, not Omi's own services."
        scale = target.get("timers")
        if scale not in (None, 1, 1.0):
            yield f"The stand-in's timers ran at {scale} of their real length."
