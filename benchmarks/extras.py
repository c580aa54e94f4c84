"""What is measured of the engine alone: start-up, connects a second, a peer that stops reading, memory over time."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS, E2E, Job, engine_records, engine_run, start_engine
from benchmarks.programs import Program
from benchmarks.trial import Bench, Lengths, Outcome, summarise

STAY_SECONDS = 2
"""How long a session stays connected when only connecting is measured: longer than it takes to connect them all."""


def help_time(runs: int = 7) -> dict[str, float]:
    """Median wall time of `e2e --help` and of an interpreter that does nothing, run alternately."""
    times: dict[str, list[float]] = {"e2e": [], "python": []}
    commands = {"e2e": [str(E2E), "--help"], "python": [sys.executable, "-c", "pass"]}
    for _ in range(runs):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            times[name].append((time.perf_counter() - began) * 1000)
    e2e, python = (statistics.median(times[name]) for name in ("e2e", "python"))
    return {"e2e_ms": round(e2e, 1), "python_ms": round(python, 1), "ratio": round(e2e / python, 2)}


def connects(bench: Bench, sessions: int = 2000, batches: int = 3) -> dict[str, Any]:
    """How quickly one core opens sessions, all asked for at once: from the first `accept` to the last upgrade."""
    raw = [_connect(bench, sessions) for _ in range(batches)]
    return {
        "sessions": sessions,
        "opened": min(batch["opened"] for batch in raw),
        "per_second": round(statistics.median(batch["per_second"] for batch in raw), 1),
        "cpu_us_per_session": round(statistics.median(batch["cpu_us_per_session"] for batch in raw), 1),
        "raw": raw,
    }


def _connect(bench: Bench, sessions: int) -> dict[str, Any]:
    def start(job: Job) -> Program:
        return start_engine(job, "stay", seconds=STAY_SECONDS)

    outcome = bench.run(start, lambda program, directory: engine_run(directory), sessions, 0, sample_seconds=0.02)
    counted = outcome.counted
    window = counted["first_accept"], counted["last_upgrade"]
    seconds, opened = window[1] - window[0], counted["streams"]
    return {
        "opened": opened,
        "seconds": round(seconds, 4),
        "per_second": round(opened / seconds, 1) if seconds else 0.0,
        "cpu_us_per_session": round(outcome.samples.cpu(*window) / opened * 1e6, 1) if opened else 0.0,
        "noise": outcome.samples.noise(*window) if seconds else None,
        "verdict": outcome.own.get("verdict"),
    }


def backpressure(bench: Bench, streams: int = 100, deaf_every: int = 20, seconds: float = 15.0) -> dict[str, Any]:
    """One stream in `deaf_every` is never read: seconds of audio until it is failed, and how the others fared."""
    contestant = CONTESTANTS["engine"]
    lengths = Lengths(2.0, seconds - 3.0)
    chunks = lengths.chunks(0.0)
    outcome = bench.run(contestant.start, _failures, streams, chunks, 0.0, lengths.warm, deaf_every)
    trial = summarise(contestant.name, streams - outcome.counted["deaf"], chunks, _without_deaf(outcome))
    noticed = outcome.own["backpressure_s"]
    return {
        "streams": streams,
        "deaf": outcome.counted["deaf"],
        "noticed": len(noticed),
        "seconds_of_audio": {"median": statistics.median(noticed), "max": max(noticed)} if noticed else None,
        "other_failures": outcome.own["other_failures"],
        "others_lost": trial.lost,
        "others_second_p99_ms": trial.second_p99_ms,
        "others_jitter_ms": trial.jitter_ms,
    }


def _without_deaf(outcome: Outcome) -> Outcome:
    outcome.counted["streams"] -= outcome.counted["deaf"]
    return outcome


def _failures(program: Program, directory: Path) -> dict[str, Any]:
    """Seconds from the beginning of a stream until its session failed, of those that failed with `backpressure`."""
    began: dict[str, float] = {}
    noticed: list[float] = []
    others: list[str] = []
    for record in engine_records(directory):
        if record["type"] == "stream" and record["event"] == "begin":
            began[record["sid"]] = record["start"]
        elif record["type"] == "session" and record["event"] == "failed":
            if record["reason"] == "backpressure":
                noticed.append(round(record["t"] - began[record["sid"]], 3))
            else:
                others.append(record["error"])
    return {"backpressure_s": noticed, "other_failures": others[:20]}


def memory(bench: Bench, minutes: float = 30.0, streams: int = 200, edge: float = 60.0) -> dict[str, Any]:
    """How much the engine grows while its load stays the same: median of the last `edge` seconds - that of the first.

    The window begins two minutes after the last stream; shorter runs warm up for a tenth of their time.
    """
    contestant = CONTESTANTS["engine"]
    seconds = minutes * 60
    lengths = Lengths(min(120.0, seconds / 10), seconds)
    ramp = contestant.ramp(streams)
    chunks = lengths.chunks(ramp)
    outcome = bench.run(contestant.start, contestant.own, streams, chunks, ramp, lengths.warm, sample_seconds=1.0)
    judged = outcome.counted["judged"]
    trial = summarise(contestant.name, streams, chunks, outcome)
    result: dict[str, Any] = {"minutes": minutes, "streams": streams, "growth_kib": None, "trial": trial.to_dict()}
    if judged is not None:
        edge = min(edge, seconds / 4)
        start, end = judged["from"], judged["to"]
        first, last = outcome.samples.resident(start, start + edge), outcome.samples.resident(end - edge, end)
        if first is not None and last is not None:
            result |= {"first_kib": first, "last_kib": last, "growth_kib": last - first}
    return result
