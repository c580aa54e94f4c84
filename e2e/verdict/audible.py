"""What could be heard of one session: the audio that it played, what was said in it and what was understood, by time.

Part of a session's timeline, and read with it: of the few sessions that are told, not of all.
"""

from collections.abc import Sequence
from typing import Any

from e2e.verdict.difference import difference
from e2e.verdict.metrics import REALTIME, Latencies
from e2e.verdict.sessions import Play, Session
from e2e.verdict.spoken import spoken
from e2e.verdict.transcript import Tape, final, joined_text

Record = dict[str, Any]

MAX_SPANS = 300
"""Utterances and segments that are placed in time."""

MAX_TEXT = 200
MAX_WORDS = 2_000
"""Words of each side that are compared; a longer session is compared up to an utterance before that."""


class Audible:
    """Takes the `session`, `stream` and `message` records of one session.

    `wordless`: the target says only that there was speech, so that its words mean nothing.
    """

    def __init__(self, sid: str, kind: str) -> None:
        self.wordless = False
        self._session = Session(sid, kind, 0)
        self._unused = Latencies(in_blocks=False)
        self._last = 0.0

    def session(self, record: Record) -> None:
        self._last = record["t"]
        self._session.event(record, self._unused)

    def stream(self, record: Record, tapes: Sequence[Tape]) -> None:
        self._session.stream(record, tapes, self._unused)

    def message(self, record: Record) -> None:
        self._last = record["t"]
        if record.get("kind") in ("transcript", "segments_deleted"):
            self._session.message(record, self._unused)

    def to_dict(self) -> dict[str, Any]:
        """Times are seconds of the run. Segments whose times count from another beginning are in no place.

        `plays`: `tape`, `planned`, `t`, `until`, and `seconds` of audio. `said` and `heard`: `t`, `until`,
        `text`; of what was heard also `seen`. `difference`: see `e2e.verdict.difference`, of the first `compared_s`
        seconds of audio (null: of all); it is null where what was said, or heard, is not known in words, or too long.
        """
        session = self._session
        sent = [(play, self._sent(play)) for play in session.plays]
        known = spoken(sent)
        segments = session.transcript.final()
        words, compared = self._compared(known.reference, known.utterances, segments)
        return {
            "plays": [_play(play, n) for play, n in sent[:MAX_SPANS]],
            "said": [
                {"t": self._at(u.onset), "until": self._at(u.end), "text": _cut(u.text)}
                for u in known.utterances[:MAX_SPANS]
            ],
            "heard": [
                {"t": self._at(s.start), "until": self._at(s.end), "seen": round(s.first, 3), "text": _cut(s.text)}
                for s in segments[:MAX_SPANS]
                if not session.displaced and session.plays
            ],
            "difference": words,
            "compared_s": compared,
        }

    def _sent(self, play: Play) -> int:
        """Chunks. Of a play whose end nobody wrote down: those that were due when the session was last heard of."""
        sent = self._session.sent if play.sent is None else play.sent
        if sent is None:
            sent = (
                max(0, int((self._last - play.start) * 1000 / play.interval_ms)) if play.interval_ms else play.planned
            )
        return min(play.planned, sent)

    def _compared(self, reference: str | None, utterances: Sequence[Any], segments: Sequence[Any]) -> tuple[Any, Any]:
        if reference is None or self._session.kind != "listen" or self.wordless:
            return None, None
        until = None
        if max(reference.count(" "), sum(s.text.count(" ") for s in segments)) >= MAX_WORDS:
            n, words = 0, 0
            while n < len(utterances) and words < MAX_WORDS:
                words += utterances[n].text.count(" ") + 1
                n += 1
            if not n:
                return None, None
            until = utterances[n - 1].end
            reference = " ".join(u.text for u in utterances[:n])
        heard = joined_text(final(s for s in segments if until is None or s.start < until))
        if heard.count(" ") >= 2 * MAX_WORDS:
            return None, None
        return difference(reference, heard), until

    def _at(self, audio: float) -> float:
        """The instant of the run at which that second of the session's audio was sent."""
        play = next((p for p in reversed(self._session.plays) if p.offset <= audio), self._session.plays[0])
        return round(play.start + (audio - play.offset) * _stretch(play), 3)


def _stretch(play: Play) -> float:
    """Seconds that a second of audio took."""
    return 1.0 if play.pace == REALTIME or not play.realtime_factor else 1 / play.realtime_factor


def _play(play: Play, sent: int) -> dict[str, Any]:
    seconds = sent * play.chunk_ms / 1000
    until = play.start + seconds * _stretch(play)
    return {
        "tape": play.tape_name,
        "planned": play.planned,
        "t": round(play.start, 3),
        "until": round(until, 3),
        "seconds": round(seconds, 3),
    }


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
