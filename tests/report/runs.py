"""Journals of runs that a page has something to draw of."""

import math
from pathlib import Path

from e2e.record.histogram import Histogram
from tests.verdict.journals import SAID, journal

TALKING = 20
"""Devices that get messages: more would take time and show nothing else."""

ENVELOPE = [(-round(80 * abs(math.sin(n / 7))), round(90 * abs(math.sin(n / 5)))) for n in range(100)]


def busy(path: Path, users=4, seconds=60, every=1, heard=SAID, tape=None, **run) -> Path:
    """Devices that come one after the other, in the first half, and stay for all of `seconds`; a sample each `every`.

    The first `TALKING` hear what their first ten seconds say, as `heard` has it, and a ping at each sample. The last
    device fails.
    """
    with journal(path) as j:
        j.run(**run)
        j.boot()
        j.steps()
        j.tape(**{"envelope": ENVELOPE, **(tape or {})})
        sessions, plays = [], {}  # planned chunks, start
        began = math.ceil(j.time - j.journal.origin)
        for t in range(began, began + seconds, every):
            j.at(t)
            left = began + seconds - t
            for n in range(len(sessions), min(users, 1 + (t - began) * 2 * users // seconds)):
                session = j.connecting(f"s{n + 1}", f"user-{n + 1}", device=n)
                j.open(session)
                j.ready(session)
                plays[session["sid"]] = left * 10, j.begin(session, planned=left * 10)
                sessions.append(session)
            for session in sessions[:TALKING]:
                j.write("message", sid=session["sid"], kind="ping", data="ping", bytes=4)
                since = t - plays[session["sid"]][1]
                for k, (text, onset, end) in enumerate(heard):
                    if end + 1 <= since < end + 1 + every:
                        j.segment(session, f"{session['sid']}-{k}", text, onset, end)
            _sample(j, t, len(sessions), users, every)
        for session in sessions:
            planned, start = plays[session["sid"]]
            if session is sessions[-1]:
                j.finish(session, start, sent=80, seconds=8)
                j.closed(session, 1011, "server", 80, planned, reason="internal error", late_ms=None)
                j.failed(session, "closed", "1011 internal error")
            else:
                j.finish(session, start, sent=planned, seconds=planned / 10)
                j.closed(session, chunks=planned, planned=planned, late_ms=None)
                j.stored(session)
                j.gone(session)
        j.stop()
        j.end()
    return path


def _sample(j, t: int, streams: int, users: int, every: int) -> None:
    """What the generator says of itself and of the services, once in a while."""
    lateness = Histogram().extend([0.2 + (k % 9) / 5 for k in range(100)])
    late = int(t % 11 == 0)
    j.write("sends", n=streams * 10 * every, late=late, streams=streams, lateness=lateness.to_dict())
    fields = {"cpu": 0.2 + t % 5 / 50, "rss_mb": 60 + t / 100, "loop_lag_ms": 1 + t % 3, "open_files": 30}
    j.write("generator", **fields, open_sessions=streams, planned=users, active=streams)
    for k, service in enumerate(("backend", "pusher")):
        j.write("resources", service=service, cpu=0.3 / (k + 1) + t % 4 / 40, rss_mb=150 / (k + 1) + t / 50)
