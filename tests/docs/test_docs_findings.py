"""The table of codes in the docs is that of the code."""

import re
from pathlib import Path

from e2e.protocol.findings import CODES
from e2e.protocol.listen_table import MAX_MEMORIES, MAX_SEGMENTS
from e2e.protocol.profile import PROFILES

TEXT = (Path(__file__).parents[2] / "docs/findings.md").read_text(encoding="utf-8")


def test_each_code_is_told_as_it_is():
    rows = re.findall(r"^\| `([LP]-\d{3})` \| ([^|]+) \| (error|warning) \|", TEXT, re.M)
    assert rows == [(code, rule.title, rule.severity) for code, rule in CODES.items()]


def test_close_codes_and_limits_are_those_of_the_tables():
    for code, closes in (("L-050", PROFILES["2026-03"].listen_closes), ("P-050", PROFILES["current"].pusher_closes)):
        (told,) = re.findall(rf"^\| `{code}` .* \| ([^|]*) \|$", TEXT, re.M)
        told = told.partition(";")[0]
        assert {int(number) for number in re.findall(r"\d{4}", told)} == closes
    assert PROFILES["current"].listen_closes - PROFILES["2026-03"].listen_closes == {4001, 4004}
    assert f"{MAX_SEGMENTS:,} segments and {MAX_MEMORIES} memories" in TEXT
