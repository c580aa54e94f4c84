"""The figures as a Markdown table, for the terminal and for `docs/performance.md`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS

DOCS = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures: made by `python -m benchmarks --write-docs` -->", "<!-- end of figures -->"

NOISY = 0.05
"""Share of the client's core above which a reader is warned."""

HEAD = ("client", "CPU us a chunk", "of C", "of plain", "streams on time", "KiB a stream", "jitter p50 / p99 / max")


def table(results: Mapping[str, Any]) -> str:
    """One row for each client that took part."""
    rows = [HEAD, ("---",) * len(HEAD)]
    for name, contestant in CONTESTANTS.items():
        if name in results:
            rows.append(_row(contestant.title, results, name))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(title: str, results: Mapping[str, Any], name: str) -> tuple[str, ...]:
    figures = results[name]
    cost, jitter = figures["us_per_chunk"], figures["jitter_ms"]
    return (
        title,
        f"{_number(cost)} ({figures['streams']} streams)",
        *(_ratio(cost, results.get(other, {}).get("us_per_chunk")) for other in ("c", "plain_websockets")),
        f"{figures['streams_on_time']}",
        _number(figures["kib_per_stream"], 2),
        " / ".join(_number(jitter[key]) for key in ("p50", "p99", "max")) + " ms",
    )


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _ratio(cost: float | None, other: float | None) -> str:
    return f"{cost / other:.2f}" if cost and other else "-"


def sentences(results: Mapping[str, Any]) -> str:
    """What the table has no column for."""
    setup, noise, batches = results["setup"], results["noise"], len(results["raw"]["batches"])
    packages = ", ".join(f"{name} {number}" for name, number in setup["packages"].items() if number)
    foreign, steal = noise["foreign"], noise["steal"]
    said = [
        f"Measured {results['started'][:10]} in {results['seconds'] / 60:.1f} minutes, batches: {batches}; "
        f"{setup['cores']} cores, {setup['system']}, Python {setup['python']}, {packages}. Others took "
        f"{foreign['median']:.1%} of the client's core (at most {foreign['max']:.1%}), the hypervisor "
        f"{steal['median']:.1%}."
    ]
    if foreign["median"] + steal["median"] > NOISY:
        said.append("**Too much else was going on for these figures to mean anything.**")
    if connects := results.get("connects"):
        said.append(
            f"Connecting: {connects['opened']} sessions at {connects['per_second']:.0f} a second on one core, "
            f"{connects['cpu_us_per_session']:.0f} us of CPU each."
        )
    if pressure := results.get("backpressure"):
        after = pressure["seconds_of_audio"]
        when = f", after {after['median']:.1f} s of audio (at most {after['max']:.1f})" if after else ""
        said.append(
            f"Backpressure: of {pressure['deaf']} streams that nobody read, {pressure['noticed']} were failed{when}; "
            f"the others lost {pressure['others_lost']} chunks, p99 by second "
            f"{_number(pressure['others_second_p99_ms'])} ms."
        )
    if (grown := results.get("memory")) and grown["growth_kib"] is not None:
        said.append(memory(grown))
    if helped := results.get("help"):
        said.append(
            f"`e2e --help` takes {helped['e2e_ms']:.0f} ms, {helped['ratio']:.1f} times as long as an interpreter that "
            "does nothing."
        )
    return "\n\n".join(said)


def memory(result: Mapping[str, Any]) -> str:
    """What half an hour at a constant load showed."""
    trial = result["trial"]
    return (
        f"Memory over {result['minutes']:g} minutes at {result['streams']} streams: grew by {result['growth_kib']:.0f} "
        f"KiB after warm-up, from {result['first_kib'] / 1024:.1f} to {result['last_kib'] / 1024:.1f} MiB; "
        f"{trial['lost']} chunks lost, p99 by second {trial['second_p99_ms']:.1f} ms."
    )


def write_docs(results: Mapping[str, Any], path: Path = DOCS) -> None:
    """Fill the marked block of the page.

    Raises:
        ValueError: the page has no such block.
    """
    page = path.read_text(encoding="utf-8")
    block = f"{BEGIN}\n{table(results)}\n\n{sentences(results)}\n{END}"
    page, found = re.subn(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, page, flags=re.S)
    if not found:
        raise ValueError(f"{path} has no block between {BEGIN} and {END}")
    path.write_text(page, encoding="utf-8")
