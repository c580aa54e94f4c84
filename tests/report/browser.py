"""A headless Chromium, driven through its DevTools protocol: one start for as many pages as a test module opens."""

import json
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import connect

needs_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0"),
)
_CODES = {"Tab": 9}
_COMPLAINTS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")


class Browser:
    def __init__(self, socket) -> None:
        self._socket, self._last, self._target = socket, 0, None
        self.events: list[dict] = []

    def call(self, method: str, session: str | None = None, **params) -> dict:
        """One command; what is told meanwhile is kept in `events`."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method: str, session: str) -> None:
        while not any(e.get("method") == method and e.get("sessionId") == session for e in self.events):
            self.events.append(json.loads(self._socket.recv(timeout=30)))

    def open(self, path: Path, width=1280, height=900, *, dark=False) -> "Page":
        """A page, in place of the one before."""
        if self._target:
            self.call("Target.closeTarget", targetId=self._target)
        target = self._target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, path.resolve().as_uri())
        for domain in ("Page", "Network", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Page.navigate", url=page.url)
        self.wait_for("Page.loadEventFired", session)
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        return page


class Page:
    def __init__(self, browser: Browser, session: str, url: str) -> None:
        self._browser, self._session, self.url = browser, session, url

    def call(self, method: str, **params) -> dict:
        return self._browser.call(method, self._session, **params)

    def reload(self) -> None:
        self._browser.events.clear()
        self.call("Page.reload")
        self._browser.wait_for("Page.loadEventFired", self._session)

    def run(self, script: str):
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def told(self, *methods: str) -> list[dict]:
        mine = (e for e in self._browser.events if e.get("sessionId") == self._session)
        return [e["params"] for e in mine if e["method"] in methods]

    @property
    def complaints(self) -> list[dict]:
        """What the console shows: errors, warnings, violations of the policy."""
        return self.told(*_COMPLAINTS)

    @property
    def requests(self) -> list[str]:
        return [params["request"]["url"] for params in self.told("Network.requestWillBeSent")]

    def place(self, selector: str, n: int = 0) -> dict:
        """Where an element is, after it has been brought into sight."""
        self.run(f"document.querySelectorAll({selector!r})[{n}].scrollIntoView({{block: 'center'}})")
        box = f"document.querySelectorAll({selector!r})[{n}].getBoundingClientRect()"
        return self.run(f"(({{left, top, width, height}}) => ({{left, top, width, height}}))({box})")

    def mouse(self, type: str, x: float, y: float, *, held=False, clicks=1) -> None:
        pressed = type in ("mousePressed", "mouseReleased")
        button = "left" if pressed or held else "none"
        self.call("Input.dispatchMouseEvent", type=type, x=x, y=y, button=button, buttons=int(held), clickCount=clicks)

    def drag(self, selector: str, begin: float, end: float, n: int = 0) -> None:
        """From one share of an element's width to another."""
        box = self.place(selector, n)
        y, (x, to) = box["top"] + box["height"] / 2, (box["left"] + share * box["width"] for share in (begin, end))
        self.mouse("mousePressed", x, y, held=True)
        self.mouse("mouseMoved", (x + to) / 2, y, held=True)
        self.mouse("mouseMoved", to, y, held=True)
        self.mouse("mouseReleased", to, y)

    def point(self, selector: str, share: float, n: int = 0) -> None:
        box = self.place(selector, n)
        self.mouse("mouseMoved", box["left"] + share * box["width"], box["top"] + box["height"] / 2)

    def touch(self, selector: str, *shares: float, n: int = 0) -> None:
        """A finger comes down at the first share of an element's width, moves to the others, and is lifted."""
        box = self.place(selector, n)
        points = [{"x": box["left"] + s * box["width"], "y": box["top"] + box["height"] / 2} for s in shares]
        for type, point in zip(["touchStart", *["touchMove"] * len(shares)], points, strict=False):
            self.call("Input.dispatchTouchEvent", type=type, touchPoints=[point])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def key(self, *keys: str) -> None:
        for key in keys:
            code = _CODES.get(key, 0)
            for type in ("rawKeyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=type, key=key, windowsVirtualKeyCode=code)


@contextmanager
def chromium(directory: Path):
    """A browser with a profile of its own in `directory`."""
    command = ["chromium", *_FLAGS, f"--user-data-dir={directory}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        url = next(line.split()[-1] for line in process.stderr if line.startswith("DevTools listening on"))
        with connect(url, max_size=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.communicate(timeout=20)
