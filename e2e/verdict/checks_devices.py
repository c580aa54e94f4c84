"""Checks of what a device sends and gets beside audio: photos, and deliveries to its user's webhooks."""

from e2e.durations import seconds
from e2e.verdict.check import Params, Result, failed, many, missing, name_of, not_reached, passed, reached, unknown
from e2e.verdict.facts import Facts
from e2e.verdict.webhooks import ROUNDING, Hook


def photos_described(facts: Facts, params: Params) -> Result:
    sessions = reached(facts, "listen")
    if not sessions:
        return not_reached(facts)
    photos = [(s, n, state) for s in sessions for n, state in s.told.photos.items()]
    if not photos:
        return unknown("not reached: no photo was sent")
    bad = [
        f"{name_of(s)}: photo {n}: {_PHOTO[state]}" for s, n, state in photos if state not in ("described", "discarded")
    ]
    gone = [f"{name_of(s)}: photo {n}: {_PHOTO[state]}" for s, n, state in photos if state == "discarded"]
    answered = f"{len(photos) - len(bad)} of {many(len(photos), 'photo')} answered"
    detail = f"{answered} by photo_processing and photo_described"
    if bad:
        return missing(facts, f"{detail}: {bad[0]}", bad)
    return failed(f"{detail}: {gone[0]}", gone) if gone else passed(detail)


_PHOTO = {
    "sent": "no photo_processing came",
    "processing": "no photo_described came",
    "discarded": "the service discarded it",
    "described": "described",
}


def webhooks_delivered(facts: Facts, params: Params) -> Result:
    webhooks, within = facts.webhooks, seconds(params.get("within") or 5.0)
    hooks = list(webhooks.hooks.values())
    if not hooks:
        return unknown("not reached: no webhook was set (device.webhook())")
    wrong = [f"{hook.uid}: {words}" for hook in hooks for words in hook_problems(hook, within)]
    segments, audio = sum(len(h.delivered) for h in hooks), sum(h.audio for h in hooks)
    count = sum(sum(h.deliveries.values()) for h in hooks)
    detail = f"{count} deliveries to webhooks of {many(len(hooks), 'user')}: {many(segments, 'segment')}"
    detail += f" of {sum(len(h.wanted) for h in hooks)} heard, {audio:.1f} of {sum(h.audio_sent for h in hooks):.1f} s"
    detail += " of audio sent"
    if wrong:
        return missing(facts, f"{detail}: {wrong[0]}", wrong)
    owed = any(_owed(hook) for hook in hooks)
    if not owed:
        return unknown(f"not reached: nothing was heard or sent that had to be delivered ({detail})")
    beyond = webhooks.left_out + sum(h.beyond for h in hooks)
    evidence = [f"{h.uid}: {hook_words(h)}" for h in hooks]
    if beyond:
        return unknown(f"{detail}; {beyond} more were not judged, there were too many", evidence)
    refused = f"; {many(webhooks.refused.total, 'other request')} refused" if webhooks.refused.total else ""
    return passed(detail + refused, [*evidence, *webhooks.refused])


def _owed(hook: Hook) -> bool:
    heard = bool(hook.wanted) and "realtime_transcript" in hook.kinds
    sent = hook.audio_sent > hook.every and "audio_bytes" in hook.kinds
    made = any(s.told.created for s in hook.sessions) and "memory_created" in hook.kinds
    return heard or sent or made


def hook_problems(hook: Hook, within: float, kind: str | None = None) -> list[str]:
    """What went wrong with the deliveries to one user (of a kind, or all), in words. `within` is the longest latency
    allowed, in seconds.
    """
    kinds = [k for k in hook.kinds if kind in (None, k)]
    words = []
    for one in kinds:
        if error := hook.kinds[one].get("error"):
            words.append(f"webhook {one} could not be set: {error}")
        else:
            words += _PROBLEMS.get(one, lambda _: [])(hook)
        latest = hook.latest.get(one, 0.0)
        if latest > within:
            words.append(f"late: a delivery of {one} came {latest:.1f} s after what it holds was due to be sent")
    return [*words, *(f"deliveries name the user {name!r}" for name in hook.named)]


def _of_transcript(hook: Hook) -> list[str]:
    words, lost, doubled = [], hook.lost, hook.doubled
    if lost:
        words.append(f"lost: {len(lost)} of {many(len(hook.wanted), 'segment')} in their last version, {lost[0]} first")
    if doubled:
        words.append(f"doubled: {many(len(doubled), 'segment')} delivered again unchanged, {doubled[0]} first")
    return words


def _of_audio(hook: Hook) -> list[str]:
    missing_s = hook.audio_missing
    if missing_s > hook.every + ROUNDING:
        return [f"lost: {missing_s:.1f} of {hook.audio_sent:.1f} s of audio"]
    if missing_s < -ROUNDING:
        twice = f", {hook.repeated} times the same as just before" if hook.repeated else ""
        return [f"doubled: {-missing_s:.1f} s of audio beyond the {hook.audio_sent:.1f} s that were sent{twice}"]
    return []


def _of_memories(hook: Hook) -> list[str]:
    made = {m.id for s in hook.sessions for m in s.told.created}
    words = [f"lost: memory_created of conversation {one}" for one in sorted(made - hook.memories.keys())]
    return words + [f"doubled: memory_created of conversation {one}" for one, n in hook.memories.items() if n > 1]


_PROBLEMS = {"realtime_transcript": _of_transcript, "audio_bytes": _of_audio, "memory_created": _of_memories}


def hook_words(hook: Hook) -> str:
    """What arrived for one user."""
    words = [f"{kind} {hook.deliveries[kind]} times" for kind in hook.kinds]
    latest = [f"{kind} at most {s:.2f} s behind" for kind, s in hook.latest.items()]
    return ", ".join([*words, *latest])
