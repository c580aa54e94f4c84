"""Findings: what a service says against its own protocol. Each has a code that stays the same from version to version.

A code is never given to another thing. `L` is the listen session, `P` the pusher session.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

Severity = Literal["error", "warning"]

MAX_EXCERPT = 160
"""Characters of a message that a finding quotes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code stands for. `timed`: it is about a time, so a generator that stalled itself proves nothing.

    `whole`: it is one only where the session saw its conversation from the beginning. Segments and memories of a
    conversation that was resumed may have been announced to the session before.
    """

    title: str
    severity: Severity = "error"
    timed: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation at `t` (seconds of the journal). `evidence` are the messages that led to it, the last one its own.

    It is the `n`th of its code in its session, which explains only the first few; of the others `evidence` is empty.
    """

    code: str
    t: float
    evidence: tuple[str, ...] = ()
    n: int = 1


CODES: dict[str, Rule] = {
    "L-001": Rule("first message is not ping"),
    "L-002": Rule("no ping for more than 15 s", timed=True),
    "L-010": Rule("status out of order"),
    "L-011": Rule("ready without a status that comes before it"),
    "L-012": Rule("transcript before ready"),
    "L-013": Rule("status repeated"),
    "L-020": Rule("segment ends before it starts"),
    "L-021": Rule("segment's end went back by more than 1 s"),
    "L-022": Rule("segment changed after its deletion"),
    "L-023": Rule("deletion of a segment never seen", whole=True),
    "L-024": Rule("segment deleted twice", severity="warning"),
    "L-030": Rule("message without a field"),
    "L-031": Rule("field of the wrong type"),
    "L-032": Rule("text that is neither JSON nor ping"),
    "L-040": Rule("memory_created without memory_processing_started", whole=True),
    "L-041": Rule("memory_created twice", whole=True),
    "L-050": Rule("close code not in the catalogue"),
    "L-051": Rule("message after close"),
    "L-052": Rule("frames that break WebSocket itself"),
    "L-060": Rule("message of a later version than the target's profile", severity="warning"),
    "P-003": Rule("201 for a conversation never asked for"),
    "P-004": Rule("201 more often than asked for"),
    "P-005": Rule("104 without an answer for 30 s", timed=True),
    "P-030": Rule("201 without a field"),
    "P-031": Rule("field of the wrong type in a 201"),
    "P-032": Rule("frame without a known layout"),
    "P-050": Rule("close code not in the catalogue"),
    "P-051": Rule("message after close"),
    "P-052": Rule("frames that break WebSocket itself"),
}


def excerpt(data: object) -> str:
    """The beginning of a message, on one line."""
    if isinstance(data, str):
        text = data
    else:
        try:
            text = msgspec.json.encode(data).decode()
        except (TypeError, ValueError, RecursionError):  # nothing that JSON can say
            text = type(data).__name__
    return text if len(text) <= MAX_EXCERPT else f"{text[:MAX_EXCERPT]}... [{len(text) - MAX_EXCERPT} more]"


def malformed(problem: str) -> str:
    """What the reason of a decoder amounts to: `missing`, `type`, `shape` (no known layout), or `unknown` (a type).

    Unknown types, binary frames of the backend, and opcodes are listed and not judged.
    """
    if problem in _LISTED:
        return "unknown"
    if "missing required field" in problem:
        return "missing"
    return "type" if problem.startswith("Expected ") else "shape"


_LISTED = frozenset({"unknown type", "unknown opcode", "binary frame"})
