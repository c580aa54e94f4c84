"""What the tables of both services have in common: one step for each event, and how a connection may end.

A table is `(state, event) -> (next state, codes)`. It says what the order of events means. What their content means
(ids, times, close codes) is said by rules, one for each event that has any.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from e2e.protocol.findings import Finding, excerpt, malformed
from e2e.protocol.profile import PROFILES

Step = tuple[str, tuple[str, ...]]
Steps = Mapping[tuple[str, str], Step]
Rule = Callable[[Any, float, Any], tuple[Finding, ...]]

NONE: tuple[Finding, ...] = ()

MAX_EXPLAINED = 3
"""Findings of one code that a session explains."""

TRAIL = 4
"""How many events before a finding it tells."""

MAX_ID = 200
"""Characters of an id that is remembered; a longer one is not followed."""

# The codes that a client closes with when the server breaks WebSocket: error, invalid data, too big.
_OUR_VERDICTS = frozenset({1002, 1007, 1009})

CLOSED = "closed"


class Machine:
    """The state of one session. `feed` takes its events in their order; it never raises, whatever they hold.

    Events are `open`, the kinds of received messages, `malformed` (with what the decoder said), `sent.KIND`, and
    `closed` (with `code`, `by`, `sent_code`, `after_close`). Times are seconds of one clock. `slower` stretches the
    limits, for a service whose timers run slower than real ones.
    """

    __slots__ = ("_counts", "_rules", "_steps", "_trail", "profile", "slower", "state")

    prefix: ClassVar[str]
    initial: ClassVar[str]
    tables: ClassVar[Mapping[str, Steps]]
    rules: ClassVar[Mapping[str, Rule]]

    def __init__(self, profile: str = "auto", slower: float = 1.0) -> None:
        self.state = self.initial
        self.slower = max(1.0, slower)
        self._trail: deque[tuple[float, str]] = deque(maxlen=TRAIL)
        self._counts: dict[str, int] | None = None
        self._rules = self.rules
        self.use(profile)

    def use(self, profile: str) -> None:
        """Judge by this profile from now on."""
        self.profile = PROFILES.get(profile, PROFILES["auto"])
        self._steps = self.tables[self.profile.name]

    def feed(self, event: str, t: float, data: Any = None) -> tuple[Finding, ...]:
        """One event at `t`; what it violates."""
        found = NONE
        step = self._steps.get((self.state, event))
        if step is not None:
            self.state, codes = step
            if codes:
                found = self.found(codes, t, event, data)
        rule = self._rules.get(event)
        if rule is not None:
            found += rule(self, t, data)
        self._trail.append((t, event))
        return found

    def found(self, codes: tuple[str, ...], t: float, event: str, said: Any) -> tuple[Finding, ...]:
        """Findings of these codes, with what came before and the message itself."""
        if self._counts is None:
            self._counts = {}
        findings = []
        for code in codes:
            n = self._counts[code] = self._counts.get(code, 0) + 1
            evidence: tuple[str, ...] = ()
            if n <= MAX_EXPLAINED:
                before = tuple(f"{at:.3f} {name}" for at, name in self._trail)
                shown = excerpt(said) if said is not None else ""
                own = f"{t:.3f} {event}" if shown in ("", event) else f"{t:.3f} {event}: {shown}"
                evidence = (*before, own)
            findings.append(Finding(code, t, evidence, n))
        return tuple(findings)

    # Rules of both services

    def malformed(self, t: float, data: Any) -> tuple[Finding, ...]:
        """`data` is the decoder's reason, and what it could not read."""
        problem, said = data if isinstance(data, tuple) and len(data) == 2 else (str(data), None)
        number = {"missing": "030", "type": "031", "shape": "032"}.get(malformed(str(problem)))
        if number is None:
            return NONE
        shown = f"{excerpt(problem)}: {excerpt(said)}"
        return self.found((f"{self.prefix}-{number}",), t, "not understood", shown)

    def closed(self, t: float, data: Any) -> tuple[Finding, ...]:
        end = data if isinstance(data, dict) else {}
        code, by, sent = end.get("code"), end.get("by"), end.get("sent_code")
        known = self.profile.listen_closes if self.prefix == "L" else self.profile.pusher_closes
        codes: tuple[str, ...] = ()
        if by == "lost" and _among(sent, _OUR_VERDICTS):
            codes += (f"{self.prefix}-052",)
        # A server answers a client's close with the client's own code.
        elif code is not None and not _among(code, known) and (code != sent or by == "server"):
            codes += (f"{self.prefix}-050",)
        if end.get("after_close"):
            codes += (f"{self.prefix}-051",)
        if not codes:
            return NONE
        shown = {name: end.get(name) for name in ("code", "reason", "by", "sent_code", "after_close")}
        return self.found(codes, t, "closed", {k: v for k, v in shown.items() if v is not None})


def _among(value: Any, values: frozenset[int]) -> bool:
    return isinstance(value, int) and value in values


def short(value: Any) -> str | None:
    """An id that can be followed; None for what is none, is too long, or was made the same as others by redaction."""
    return value if isinstance(value, str) and len(value) <= MAX_ID and "[redacted]" not in value else None
