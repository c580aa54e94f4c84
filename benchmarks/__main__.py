"""The benchmarks side by side: prints a table and writes `benchmarks/latest.json`.

Figures depend on the machine and on what else it does; compare only figures of one run.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

E2E = Path(sys.executable).with_name("e2e")


def main() -> None:
    results: dict[str, Any] = {"python": platform.python_version(), "cores": len(os.sched_getaffinity(0))}
    print(f"{results['cores']} cores, Python {results['python']}\n")
    results["help"] = help_time()
    print(
        "`e2e --help`: {e2e_ms:.0f} ms; bare interpreter: {python_ms:.0f} ms; {ratio:.1f} times".format(
            **results["help"]
        )
    )
    results["single_session"] = single_session()
    print(
        "one realtime session, {chunks} chunks: {cpu:.1%} of a core, lateness p50 {p50:.2f} ms, p99 {p99:.2f} ms, "
        "max {max:.2f} ms".format(**results["single_session"])
    )
    Path(__file__).with_name("latest.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def help_time(runs: int = 7) -> dict[str, float]:
    """Median wall time of `e2e --help` and of an interpreter that does nothing, run alternately."""
    times: dict[str, list[float]] = {"e2e": [], "python": []}
    commands = {"e2e": [E2E, "--help"], "python": [sys.executable, "-c", "pass"]}
    for _ in range(runs):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            times[name].append((time.perf_counter() - began) * 1000)
    e2e, python = (sorted(times[name])[runs // 2] for name in ("e2e", "python"))
    return {"e2e_ms": e2e, "python_ms": python, "ratio": e2e / python}


def single_session(chunks: int = 300) -> dict[str, Any]:
    """One session in real time against the stand-in: share of a core while streaming, and send lateness."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [E2E, "run", "smoke", "--standin", "--recogniser", "vad", "--chunks", str(chunks), "--quiet"],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        run = json.loads((Path(directory) / "reports" / "latest" / "run.json").read_text())
    lateness = run["generator"]["send_lateness_ms"]
    return {
        "chunks": run["counters"]["chunks_sent"],
        "cpu": run["generator"]["cpu"],
        "rss_mb": run["generator"]["rss_mb"],
        "verdict": run["verdict"],
        **{name: lateness[name] for name in ("p50", "p99", "max")},
    }


if __name__ == "__main__":
    main()
