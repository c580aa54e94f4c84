"""What was done to the load by hand while it lasted: a run with any of it cannot be repeated from its command."""

from typing import Any

from e2e.verdict.bounded import Bounded

Record = dict[str, Any]

_WORDS = {"pause": "paused", "resume": "resumed", "finish": "finished"}

MAX_TOLD = 20


def by_hand(controls: Bounded[Record]) -> list[str]:
    """One note for a report, or none."""
    if not controls.total:
        return []
    told = [_words(record) for record in controls.items[:MAX_TOLD]]
    more = f", and {controls.total - len(told)} more times" if controls.total > len(told) else ""
    return [f"the load was changed by hand, so its command alone does not repeat this run: {', '.join(told)}{more}"]


def _words(record: Record) -> str:
    at = f"at {record['t']:.1f} s"
    if record.get("what") == "users":
        return f"{record.get('change') or 0:+d} users, to {record.get('users')}, {at}"
    return f"{_WORDS.get(str(record.get('what')), str(record.get('what')))} {at}"
