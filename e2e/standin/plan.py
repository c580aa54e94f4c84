"""What has to be started for a stand-in: two commands with their environment. Starting is the launcher's work."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from e2e.standin.settings import Settings


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """One process: an argument list, what to add to its environment, its origin, and the path that answers 200."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    url: str
    health: str


def plan(
    settings: Settings, host: str = "127.0.0.1", port: int = 10220, pusher_port: int = 10221
) -> dict[str, ServicePlan]:
    """The `backend` and the `pusher` of one stand-in, which find each other whatever `settings.pusher_url` says."""
    pusher_url = f"http://{host}:{pusher_port}"
    env = replace(settings, pusher_url=pusher_url).to_env() | {"PYTHONUNBUFFERED": "1"}
    return {
        "backend": ServicePlan(_uvicorn("backend", host, port), env, f"http://{host}:{port}", "/v1/health"),
        "pusher": ServicePlan(_uvicorn("pusher", host, pusher_port), env, pusher_url, "/health"),
    }


def _uvicorn(module: str, host: str, port: int) -> tuple[str, ...]:
    app = (f"e2e.standin.{module}:create_app", "--factory", "--host", host, "--port", str(port))
    # The sans-I/O implementation is the one that stays; naming it keeps the wire the same whatever else is installed.
    options = ("--ws", "websockets-sansio", "--no-use-colors", "--timeout-graceful-shutdown", "1")
    return (sys.executable, "-m", "uvicorn", *app, *options)
