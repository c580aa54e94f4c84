"""`--web`: the report of a run while it goes, as a process of its own serves it, over real sockets and in a browser."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import httpx
import pytest

from e2e.cli.run import command
from e2e.cli.web import listen, served
from e2e.errors import UsageError
from e2e.record.journal import read_journal
from e2e.record.rundir import RunDirectory
from e2e.report.live import MAX_TOLD_BYTES, LiveReport
from e2e.report.write import FILES, write_reports
from tests.cli.browser import Page
from tests.cli.conftest import STANDIN, free_port, poll
from tests.verdict.journals import Builder

chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")


class Rig:
    """A journal that is written by the test, and the process that serves what is in it."""

    def __init__(self, path) -> None:
        self.run = RunDirectory(path)
        path.mkdir()
        self.j = Builder(path)
        self.j.run()
        self.j.boot()
        self.j.tape()
        self.j.journal.flush()
        listening = listen(0)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._serving = ExitStack()
        self._serving.enter_context(served(self.run, listening))

    def stream(self, **session) -> dict:
        """A session that has heard something and still plays."""
        session = self.j.connecting(**session)
        self.j.open(session)
        self.j.ready(session)
        self.j.speech(session, self.j.begin(session))
        self.j.journal.flush()
        return session

    def end(self) -> None:
        self.j.stop()
        self.j.end()
        self.j.journal.flush()
        write_reports(self.run)
        self._serving.close()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._serving.close()
        self.j.journal.close()


@pytest.fixture
def rig(tmp_path):
    with Rig(tmp_path / "20260314-run") as rig:
        yield rig


def events(response):
    """(name, data) of each event of a stream."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_the_report_grows_while_the_run_goes_and_is_final_at_its_end(rig):
    with httpx.stream("GET", f"{rig.url}/events", timeout=30) as response:
        assert response.headers["content-type"] == "text/event-stream"
        told = events(response)
        name, first = next(told)
        assert name == "report" and first["title"].startswith("running: ")
        assert "The run is still going" in first["html"] and "❌" not in first["html"]
        session = rig.stream()
        # A page may have been under way when the session streamed.
        second = next(data for _, data in told if "good morning everyone" in data["html"])
        assert re.fullmatch(r"live, as of \d+\.\d s", second["state"])
        assert 'class="running"' in second["html"] and 'class="fail"' not in second["html"]
        assert "listen s1, uid e2e-test" in second["html"], "the timeline is told too"
        rig.j.closed(session)
        rig.end()
        *_, (name, last) = told
    assert name == "ended" and last["state"] == "the run has ended"
    page = (rig.run.path / FILES["html"]).read_text(encoding="utf-8")
    assert last["html"].strip() in page and "running" not in last["title"]


def test_only_the_page_is_served_and_only_to_this_machine(rig):
    with httpx.Client(base_url=rig.url, timeout=30) as client:
        page = client.get("/")
        assert page.status_code == 200 and "The run is still going" in page.text
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page.text)
        assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "script-src 'sha256-" in policy
        assert page.headers["cache-control"] == "no-store"
        for path in (
            "/run.json",
            "/report.html",
            "/journal.jsonl",
            "/../journal.jsonl",
            "/logs/backend.log",
            "/x",
        ):
            assert client.get(path).status_code == 404, path
        for method in ("POST", "HEAD", "PUT", "OPTIONS"):
            assert client.request(method, "/").status_code == 405, method
        for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:80", ""):
            assert client.get("/", headers={"Host": host}).status_code in (400, 421), host
            assert client.get("/events", headers={"Host": host}).status_code in (400, 421), host
        for host in ("localhost", "localhost:8080", "127.0.0.1"):
            assert client.get("/", headers={"Host": host}).status_code == 200, host
        assert client.post("/", content=b"x").status_code == 413
    with pytest.raises(httpx.ConnectError):
        # Another address of this machine; loopback has many.
        httpx.get(f"http://127.0.0.2:{rig.url.rpartition(':')[2]}/")


def test_a_report_that_cannot_be_made_says_so_and_the_run_goes_on(rig):
    rig.j.write("conversation", sid="s1", found=True, segments={"a": 1}, text=7)
    rig.j.write("endpoint", service="backend", expected=5)
    rig.j.journal.flush()
    with httpx.stream("GET", f"{rig.url}/events", timeout=30) as response:
        name, told = next(data for data in events(response))
    assert name == "problem" and "could not be made: TypeError" in told["state"]


def test_a_long_journal_is_not_read_again_for_timelines(tmp_path):
    with Rig(tmp_path / "r") as rig:
        rig.stream()
    report = LiveReport(rig.run)
    report.take(read_journal(rig.run.journal))
    html = report.content(MAX_TOLD_BYTES + 1)["html"]
    assert "listen s1, uid e2e-test" not in html and "here when the run has ended" in html


def test_a_port_that_is_taken_is_one_error_before_anything_starts(e2e):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        error = e2e("run", "stream.py", *STANDIN, "--web", port).error
    assert f"127.0.0.1:{port} cannot be used" in error and "0 for any free one" in error
    assert not (e2e.directory / "reports").exists()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="choose another port"):
        listen(taken.getsockname()[1])


@pytest.mark.parametrize("value", ("smoke", "65536", "1e3", "٣"))
def test_what_is_no_port_is_refused_in_words(value):
    with pytest.raises(UsageError, match=r"from 0 to 65535 \(a port\); without one, write --web behind SCENARIO"):
        command.main(["--web", value, "smoke"], standalone_mode=False)


RUN = """
import sys, time
from pathlib import Path
from e2e.cli.run import command
from e2e.cli.web import listen, served
from e2e.record.journal import read_journal
from e2e.record.rundir import RunDirectory
with served(RunDirectory(Path(sys.argv[1])), listen(int(sys.argv[2]))):
    print("serving", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_takes_the_server_with_it(tmp_path):
    port = free_port()
    (tmp_path / "journal.jsonl").write_text('{"t":0.1,"type":"note","text":"x"}\n')
    command = [sys.executable, "-c", RUN, str(tmp_path), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "serving\n"
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=20).status_code == 200
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    poll(lambda: not _answers(port), "nobody serves any more", 10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@chromium
@pytest.mark.slow
def test_who_reads_keeps_the_place_the_open_parts_and_the_focus(rig, tmp_path):
    session = rig.stream()
    with Page(f"{rig.url}/", tmp_path / "profile") as page:
        page.until("document.body?.innerText.includes('live, as of')")
        # Chosen by the reader: a closed part is opened, an open one closed, far down the page.
        # Charts are replaced as a whole.
        page.ask("window.parts = [...document.querySelectorAll('details')].filter(d => !d.closest('.bars'))")
        page.ask("window.were = parts.map(d => !d.open); document.querySelector('.bars details').open = true")
        page.ask("parts.forEach((d, n) => { d.open = were[n]; })")
        page.ask("document.querySelector('nav a:nth-child(3)').focus({preventScroll: true}); scrollTo(0, 600)")
        before = page.ask("[scrollY, document.querySelector('#stream').offsetTop]")
        shown = page.ask("document.getElementById('live').textContent")
        rig.stream(sid="s2", uid="e2e-other", device=1)
        page.until(f"document.getElementById('live').textContent !== {json.dumps(shown)}")
        page.until("document.getElementById('stream').innerText.includes('e2e-other')")
        assert page.ask("parts.length") > 5
        lost = "parts.filter((d, n) => !d.isConnected || d.open !== were[n]).map(d => d.innerText.slice(0, 100))"
        assert page.ask(lost) == [] and page.ask("document.querySelector('.bars details').open")
        after = page.ask("[scrollY, document.querySelector('#stream').offsetTop]")
        assert abs((after[0] - before[0]) - (after[1] - before[1])) <= 2 or after[0] == before[0]
        assert page.ask("document.activeElement.matches('nav a:nth-child(3)')")
        # Every chart is alive, and once.
        charts = page.ask("document.querySelectorAll('.group .plot').length")
        assert charts > 3 and page.ask("document.querySelectorAll('.group .plot > .cross').length") == charts
        rig.j.closed(session)
        rig.end()
        page.until("document.getElementById('live').textContent === 'the run has ended'")
        assert page.ask("document.querySelector('header').className") != "running"
        assert page.ask("document.title").startswith("fail: ")


@pytest.mark.slow
def test_a_whole_run_is_watched(e2e):
    process = e2e.start("run", "stream.py", *STANDIN, "--set", "chunks=120", "--pace", "2x", "--web", "0", "--quiet")
    assert process.stderr is not None
    line = process.stderr.readline()
    url = re.fullmatch(r"watch it at (http://127\.0\.0\.1:\d+)/\n", line)[1]
    with httpx.stream("GET", f"{url}/events", timeout=60) as response:
        told = list(events(response))
    result = e2e.finish(process)
    assert result.code == 0 and result.err == ""
    states = [data["state"] for _, data in told]
    assert len(told) > 3 and states[-1] == "the run has ended" and all(s.startswith("live, as of") for s in states[:-1])
    # Nothing that will come right is called wrong before.
    assert not any('class="fail"' in data["html"] for _, data in told), states
    (before, *_, end) = told
    assert before[1]["title"].startswith("running: ") and end[1]["title"].startswith("pass: ")
    page = (e2e.directory / "reports/latest/report.html").read_text(encoding="utf-8")
    assert end[1]["html"].strip() in page
    assert result.run["verdict"] == "pass"
