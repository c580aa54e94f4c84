"""A corpus of logs: every form of an import error is found and named, and nothing that only talks of one is.

`corpus/errors/*.log`: cases, each `=== title`, then a line `> kind | module | name | file | line | uid | session` for
each import error that must be found (`-`: nothing; uid and session only where they are named), then the log.
`corpus/quoted/*.log`: cases that hold none.
"""

from pathlib import Path

import pytest

from e2e.observe.imports import ErrorScanner, ImportFinding
from e2e.observe.lines import clean, normalise

CORPUS = Path(__file__).parent / "corpus"


def cases(kind):
    for path in sorted((CORPUS / kind).glob("*.log")):
        for case in path.read_text(encoding="utf-8").split("=== ")[1:]:
            title, _, text = case.partition("\n")
            yield pytest.param(text.removesuffix("\n"), id=f"{path.stem}: {title}")


def imports(text):
    scanner, found = ErrorScanner(), []
    for n, raw in enumerate(text.split("\n"), 1):
        for line in normalise(clean(raw), n):
            found += scanner.feed(line)
    return [finding for finding in [*found, *scanner.flush()] if isinstance(finding, ImportFinding)]


def told(finding, fields):
    b = finding.broken
    values = (b.kind, b.module, b.name, b.file, b.line, finding.uid, finding.session)
    return tuple("-" if value is None else str(value) for value in values[:fields])


@pytest.mark.parametrize("text", list(cases("errors")))
def test_every_form_is_found_once_and_named(text):
    lines = text.split("\n")
    wanted = [tuple(part.strip() for part in line[1:].split("|")) for line in lines if line.startswith("> ")]
    found = imports("\n".join(line for line in lines if not line.startswith("> ")))
    assert wanted and sorted(told(f, len(wanted[0])) for f in found) == sorted(wanted)


@pytest.mark.parametrize("text", list(cases("quoted")))
def test_what_only_talks_of_one_is_none(text):
    assert imports(text) == []
    # Nor does what follows it get lost.
    (after,) = imports(text + "\nINFO:x:next\nERROR:x:batch: No module named 'after'")
    assert after.broken.module == "after"


@pytest.mark.parametrize("text", list(cases("quoted")))
def test_no_single_line_of_these_is_one_either_where_they_stand_alone(text):
    """The lines that stand alone in each case; what spans several lines is judged as a whole above."""
    alone = [line for line in text.split("\n") if line.startswith(("INFO:", "DEBUG:", "SPEAKER", "{", "[{"))]
    assert [line for line in alone if imports(line)] == []


@pytest.mark.parametrize("text", list(cases("errors")))
def test_interleaved_evidence_is_of_one_writer(text):
    """No evidence holds the exception of another traceback, and each one that has a place has its frame."""
    for finding in imports("\n".join(line for line in text.split("\n") if not line.startswith("> "))):
        if finding.broken.line is not None:
            place = f'File "{finding.broken.file}", line {finding.broken.line}'
            assert any(place in line for line in finding.evidence)
