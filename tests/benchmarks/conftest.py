"""The programs of the benchmarks, compiled once."""

import os
import shutil

import pytest

from benchmarks.programs import build


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """A directory with the compiled `sink` and `client`."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    directory = tmp_path_factory.mktemp("programs")
    build(directory)
    return directory


@pytest.fixture
def core():
    """A core that this process may use."""
    return min(os.sched_getaffinity(0))
