"""Whether the interpreter and the packages that `e2e` declares are there."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution, version

from packaging.requirements import Requirement

from e2e.doctor.finding import Finding, bad, ok, warn

FOR_DEVELOPERS = ("bench", "dev")

Installed = Callable[[str], str]
"""The version of a distribution. Raises PackageNotFoundError."""


def check_python(found: tuple[int, ...] = sys.version_info[:3], least: tuple[int, ...] = (3, 11)) -> Finding:
    text = ".".join(map(str, found))
    if found >= least:
        return ok("python", text)
    needed = ".".join(map(str, least))
    return bad("python", f"{text}, and {needed} is needed", f"make the environment anew with Python {needed} or newer")


def check_packages(name: str = "e2e", installed: Installed = version) -> Iterator[Finding]:
    """One line for the core, one for each extra that users may want."""
    try:
        declared = distribution(name)
    except PackageNotFoundError:
        yield warn("packages", f"{name} is not installed, so nothing says what it needs", "pip install -e .")
        return
    requirements = [Requirement(text) for text in declared.requires or ()]
    core = [r for r in requirements if "extra" not in str(r.marker or "") and _applies(r, "")]
    wrong = _wrong(core, installed)
    if wrong:
        yield bad("packages", f"missing: {', '.join(wrong)}", f"pip install {' '.join(map(repr, wrong))}")
    else:
        yield ok("packages", f"all {len(core)} that the core needs")
    for extra in sorted(declared.metadata.get_all("Provides-Extra") or ()):
        if extra in FOR_DEVELOPERS:
            continue
        wanted = [r for r in requirements if "extra" in str(r.marker or "") and _applies(r, extra)]
        wrong = _wrong(wanted, installed)
        names = ", ".join(r.name for r in wanted) or "nothing on this system"
        if wrong:
            yield warn(f"extra {extra}", f"not there: {', '.join(wrong)}", f"pip install '{name}[{extra}]', if wanted")
        else:
            yield ok(f"extra {extra}", names)


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _wrong(requirements: list[Requirement], installed: Installed) -> list[str]:
    """Those that are missing or too old, as pip takes them."""
    return [f"{r.name}{r.specifier}" for r in requirements if not _fits(r, installed)]


def _fits(requirement: Requirement, installed: Installed) -> bool:
    try:
        return requirement.specifier.contains(installed(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False
