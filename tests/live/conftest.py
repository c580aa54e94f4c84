"""Live figures of a made-up run with a bit of everything."""

import pytest

from tests.live.test_live_screen import busy


@pytest.fixture
def figures(tmp_path):
    return busy(tmp_path)


@pytest.fixture
def hostile_figures(tmp_path):
    return busy(tmp_path, 'evil "\\quoted\\"\n# HELP e2e_x y\x1b[2J' + "x" * 500)
