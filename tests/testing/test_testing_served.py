"""Services that are served beside the tests: they start, or say why not, and are gone afterwards."""

import sys

import httpx
import pytest

from e2e.cli.standin import free_port
from e2e.engine.target import TargetConfig
from e2e.errors import ServiceError
from e2e.observe.spec import LogSpec, ServiceSpec
from e2e.testing.served import served


def target(*program: str) -> TargetConfig:
    specs = {
        name: ServiceSpec(
            name,
            f"http://127.0.0.1:{port}",
            command=(sys.executable, *program, str(port)),
            health="/",
            log=LogSpec("process"),
        )
        for name, port in (("backend", free_port()), ("pusher", free_port()))
    }
    return TargetConfig("small", **specs)


def test_services_live_as_long_as_the_block(tmp_path):
    with served(target("-m", "http.server", "--directory", str(tmp_path), "--bind", "127.0.0.1"), tmp_path) as small:
        url = small.backend.url
        assert httpx.get(url, trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_service_that_dies_is_said_at_once(tmp_path):
    with pytest.raises(ServiceError, match="no settings"), served(target("-c", "exit('no settings')"), tmp_path):
        raise AssertionError("never reached")
