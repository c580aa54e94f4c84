"""The benchmarks side by side, without a network: prints a table and writes `benchmarks/latest.json`.

Figures depend on the machine and on what else it does: compare only figures of one run.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import extras
from benchmarks.compare import FEW_STREAMS, Comparison, Plan, compare
from benchmarks.contestants import CONTESTANTS
from benchmarks.machine import Cores, describe, raise_file_limit
from benchmarks.programs import HERE, BenchmarkError, build
from benchmarks.table import memory, sentences, table, write_docs
from benchmarks.trial import Bench, Lengths

SEARCH_UNTIL_SECONDS = 660.0
"""When the search for limits ends, counted from the start, so that all of it ends within 12 minutes."""

QUICK_LOADS = {"engine": 100, "engine_transport": 100, "c": 100, "plain_websockets": 40, "locust": 20}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        if options.show:
            results = _read(options.out)
            if "raw" not in results:
                raise BenchmarkError(f"{options.out} holds no figures: run the benchmarks first")
        elif options.long:
            _long(options)
            return
        else:
            results = run(options)
            results |= {key: value for key, value in _read(options.out).items() if key == "memory"}
            _write(options.out, results)
    except (BenchmarkError, OSError) as error:
        sys.exit(f"benchmarks: {error}")
    print(f"\n{table(results)}\n\n{sentences(results)}")
    if options.write_docs:
        write_docs(results)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All that `make bench` does; with `quick` a version of it that takes a minute and shows only that it works."""
    began, started = time.monotonic(), datetime.now(UTC)
    cores = _prepare()
    plan = _plan(options, began)
    lengths = Lengths(1.0, 2.0) if options.quick else Lengths(options.warm, options.window)
    results: dict[str, Any] = {"started": started.isoformat(timespec="seconds"), "setup": describe(cores)}
    results["setup"] |= {"loads": {name: plan.loads[name] for name in plan.names}, "lengths": asdict(lengths)}
    with TemporaryDirectory(prefix="bench-programs-") as directory:
        build(Path(directory))
        bench = Bench(Path(directory), cores, lengths)
        if not options.no_extras:
            results |= _extras(bench, quick=options.quick)
        comparison = compare(bench, plan, say)
    results |= {name: comparison.summary(name) for name in plan.names}
    results["noise"] = _noise(comparison)
    results["raw"] = comparison.raw()
    results["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
    results["seconds"] = round(time.monotonic() - began, 1)
    return results


def _prepare() -> Cores:
    cores = Cores.choose()
    if cores.shared:
        say("there is a single core: clients and sink share it, and no figure of this run means much")
    os.sched_setaffinity(0, {cores.client, cores.sink})
    os.environ.pop("E2E_TOKEN", None)
    return cores


def _plan(options: argparse.Namespace, began: float) -> Plan:
    names = options.only or list(CONTESTANTS)
    if "locust" in names and not (find_spec("locust") and find_spec("websocket")):
        raise BenchmarkError("Locust is missing: `pip install -e '.[bench]'`, or leave it out with --only")
    loads = {name: contestant.comfortable for name, contestant in CONTESTANTS.items()}
    loads |= (QUICK_LOADS if options.quick else {}) | dict(options.load)
    most = raise_file_limit()
    if max(loads[name] for name in names) > most:
        raise BenchmarkError(
            f"the limit of open files allows {most} streams: raise it with `ulimit -Hn`, or use --load"
        )
    if options.quick:
        return Plan(names, loads, 1, most, few=5, few_lengths=Lengths(1.0, 2.0))
    until = None if options.no_search else began + SEARCH_UNTIL_SECONDS
    return Plan(names, loads, options.batches, most, few=FEW_STREAMS, search_until=until)


def _extras(bench: Bench, quick: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"help": extras.help_time(1 if quick else 7)}
    say("help: {e2e_ms:.0f} ms, bare interpreter {python_ms:.0f} ms".format(**found["help"]))
    found["connects"] = extras.connects(bench, 100, 1) if quick else extras.connects(bench)
    say("connects: {opened} of {sessions}, {per_second:.0f} a second".format(**found["connects"]))
    found["backpressure"] = extras.backpressure(bench, 20, 10, 12.0) if quick else extras.backpressure(bench)
    say("backpressure: {noticed} of {deaf} noticed, {seconds_of_audio}".format(**found["backpressure"]))
    return found


def _noise(comparison: Comparison) -> dict[str, dict[str, float]]:
    """What others took of the client's core, over all trials."""
    noises = [trial.noise for trial in comparison.trials() if trial.noise is not None]
    return {
        kind: {
            "median": round(statistics.median(noise[kind] for noise in noises), 4) if noises else 0.0,
            "max": max((noise[kind] for noise in noises), default=0.0),
        }
        for kind in ("foreign", "steal")
    }


def _long(options: argparse.Namespace) -> None:
    cores = _prepare()
    raise_file_limit()
    streams = dict(options.load).get("engine", 200)
    say(f"{streams} streams for {options.long:g} minutes")
    with TemporaryDirectory(prefix="bench-programs-") as directory:
        build(Path(directory))
        result = extras.memory(Bench(Path(directory), cores), options.long, streams)
    _write(options.out, _read(options.out) | {"memory": result})
    if result["growth_kib"] is None:
        raise BenchmarkError(f"the streams never ran all at once; see {options.out}")
    print(memory(result))


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _write(path: Path, results: dict[str, Any]) -> None:
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, tiny loads: shows that everything works")
    parser.add_argument("--only", nargs="+", choices=list(CONTESTANTS), help="leave the other clients out")
    parser.add_argument(
        "--load", nargs="+", type=_load, default=[], metavar="CLIENT=N", help="streams of the batches (and of --long)"
    )
    parser.add_argument("--batches", type=int, default=3, help="interleaved batches (default 3)")
    parser.add_argument("--warm", type=float, default=5.0, help="seconds before judging begins (default 5)")
    parser.add_argument("--window", type=float, default=10.0, help="seconds that are judged (default 10)")
    parser.add_argument("--no-search", action="store_true", help="do not look for the largest load that is on time")
    parser.add_argument("--no-extras", action="store_true", help="only the comparison")
    parser.add_argument("--long", type=float, metavar="MINUTES", help="memory of the engine over time, nothing else")
    parser.add_argument("--out", type=Path, default=HERE / "latest.json", help="where the figures go")
    parser.add_argument("--show", action="store_true", help="run nothing, show the figures in --out")
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/performance.md")
    return parser


def _load(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in CONTESTANTS or not number.isdigit() or not int(number):
        raise argparse.ArgumentTypeError(f"{text!r}: write it as engine=2000 (clients: {', '.join(CONTESTANTS)})")
    return name, int(number)


def say(text: str) -> None:
    """Progress, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
