"""Chromium without a window, asked through its DevTools: what a page shows and does."""

import json
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


class Page:
    """One page, which stays open. A context manager."""

    def __init__(self, url: str, profile: Path) -> None:
        self._url, self._profile, self._n = url, profile, 0
        self._open = ExitStack()

    def __enter__(self) -> "Page":
        flags = [*FLAGS, "--remote-debugging-port=0", f"--user-data-dir={self._profile}"]
        self._process = subprocess.Popen(
            ["chromium", *flags, self._url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        port = self._until(lambda: (self._profile / "DevToolsActivePort").read_text().split()[0])
        pages = self._until(
            lambda: [p for p in httpx.get(f"http://127.0.0.1:{port}/json").json() if p["type"] == "page"]
        )
        tools = connect(pages[0]["webSocketDebuggerUrl"], max_size=None, compression=None)
        self._tools = self._open.enter_context(tools)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._process.terminate()
        self._process.wait(10)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        self._n += 1
        params = {"expression": expression, "returnByValue": True}
        self._tools.send(json.dumps({"id": self._n, "method": "Runtime.evaluate", "params": params}))
        while (answer := json.loads(self._tools.recv(timeout=20))).get("id") != self._n:
            pass
        assert "exceptionDetails" not in answer["result"], answer
        return answer["result"]["result"].get("value")

    def until(self, expression: str, seconds: float = 20.0) -> Any:
        """Ask until it is true."""
        return self._until(lambda: self.ask(expression), seconds, expression)

    def _until(self, ask: Any, seconds: float = 20.0, what: str = "the browser starts") -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if value := ask():
                    return value
            except (OSError, IndexError, httpx.HTTPError):
                pass
            time.sleep(0.05)
        raise AssertionError(f"never so: {what}")
