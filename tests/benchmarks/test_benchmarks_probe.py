"""The benchmark of the import probe works; what it measures is not judged here."""

import re

import pytest

from benchmarks.probe import main


@pytest.mark.slow
def test_it_prints_the_ratio(capsys):
    main(rounds=2, requests=100)
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"100 requests, three imports each: .* ratio \d+\.\d{4} \(2 pairs", lines[0])
    assert lines[1].startswith("start: ") and lines[2].startswith("one import that was seen before: ")
