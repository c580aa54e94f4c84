"""Journals of made-up runs, written through the real journal with a clock that only moves when told to."""

from contextlib import contextmanager
from pathlib import Path

from e2e.record.histogram import Histogram
from e2e.record.journal import Journal, read_journal
from e2e.verdict import expect
from e2e.verdict.fold import read_facts
from e2e.verdict.judge import judge
from e2e.verdict.summary import summarise

SMOKE = (
    expect.services_healthy(),
    expect.routes_counted(),
    expect.endpoints_as_expected(),
    expect.auth_refused(),
    expect.pusher_probed(),
    expect.connected(),
    expect.ready(),
    expect.all_chunks_sent(),
    expect.transcripts_received(),
    expect.conversation_stored(),
    expect.lifecycle(),
    expect.close_code(1000),
    expect.zero_import_errors(),
    expect.protocol(),
    expect.no_session_failed(),
    expect.drained(),
    expect.p95("first_segment", below="5s"),
    expect.word_error_rate(below=0.25),
)

SAID = (("good morning everyone", 0.5, 2.0), ("the train is late again", 2.5, 5.0), ("that's fine with me", 6.0, 8.0))


class Builder:
    """Writes the records of a run step by step; every step moves the clock a little."""

    def __init__(self, path: Path) -> None:
        self.time = 1000.0
        self.path = path
        self.journal = Journal(path / "journal.jsonl", lambda: self.time)
        self.lines = {"backend": 0, "pusher": 0}

    def write(self, type: str, /, **fields):
        self.time += 0.01
        return self.journal.write(type, **fields)

    def at(self, t: float) -> None:
        self.time = max(self.time, self.journal.origin + t)

    def run(self, expectations=SMOKE, pace="realtime", target=None, **fields) -> None:
        target = target or {
            "name": "standin",
            "backend": "http://127.0.0.1:10220",
            "pusher": "http://127.0.0.1:10221",
            "standin": True,
            "timers": 1.0,
        }
        self.write(
            "run",
            **{
                "schema": 1,
                "run_id": self.path.name,
                "version": "0.1.0",
                "scenario": "smoke",
                "title": "A quick look at both services",
                "target": target,
                "started": "2026-03-14T09:26:53.000+00:00",
                "command": ["e2e", "run", "smoke", "--standin"],
                "options": {"users": 1, "chunks": 100, "pace": pace, "seed": 1},
                "services": ["backend", "pusher"],
                "expectations": [e.to_dict() for e in expectations],
                "environment": {"python": "3.11.2", "system": "Linux 6.1 x86_64", "cores": 2},
                **fields,
            },
        )

    def tape(self, said=SAID, seconds=10.0, name="podcast", **fields) -> None:
        utterances = [{"speaker": "slt", "text": t, "onset": a, "end": b} for t, a, b in said]
        self.write(
            "tape",
            **{
                "name": name,
                "description": "a dialogue of three voices",
                "codec": "pcm16",
                "sample_rate": 16000,
                "chunk_ms": 100.0,
                "chunks": round(seconds * 10),
                "seconds": seconds,
                "reference": " ".join(t for t, _, _ in said),
                "utterances": utterances,
                **fields,
            },
        )

    # -- services ----------------------------------------------------------------------------------------------

    def launch(self, name: str) -> None:
        command = ["uvicorn", "main:app", "--port", "10220"]
        self.write("service", service=name, event="launched", command=command, cwd="/srv/omi", pid=77)
        self.write("log_source", service=name, source="process", state="open", where="standard output")

    def healthy(self, name: str) -> None:
        health = {"url": f"http://127.0.0.1/{name}/health", "status": 200, "body": '{"status":"healthy"}'}
        self.line(name, "INFO:     Application startup complete.", "startup_complete")
        self.write("service", service=name, event="healthy", health=health, seconds=1.5)

    def boot(self) -> None:
        for name in ("pusher", "backend"):
            self.launch(name)
            self.healthy(name)

    def line(self, service: str, text: str, event: str | None = None, uid=None, **fields) -> int:
        self.lines[service] += 1
        n = self.lines[service]
        self.write("log", service=service, n=n, level=text.partition(":")[0], text=text)
        if event:
            self.write(
                "lifecycle",
                **{
                    "service": service,
                    "event": event,
                    "uid": uid,
                    "session": None,
                    "conversation": None,
                    **fields,
                    "n": n,
                },
            )
        return n

    def import_error(self, service="backend", phase="stream", **fields) -> None:
        text = "ERROR:routers.transcribe:Error during WebSocket operation: cannot import name 'Geolocation'"
        n = self.line(service, text)
        record = {
            "service": service,
            "kind": "ImportError",
            "module": "models.geolocation",
            "name": "Geolocation",
            "file": "routers/transcribe.py",
            "line": 412,
            "phase": phase,
            "source": "log",
            "evidence": [text],
            "n": n,
        }
        self.write("import_error", **{**record, **fields})

    def stop(self, boot_marker="Application startup complete.", **read) -> None:
        for name, lines in self.lines.items():
            self.write("service", service=name, event="stopped")
            self.write(
                "log_source",
                service=name,
                source="process",
                state="closed",
                where="standard output",
                lines=lines,
                bytes=lines * 60,
                boot_marker=boot_marker if lines else None,
                **read,
            )

    def steps(self) -> None:
        self.write("routes", service="backend", count=318, title="Omi", version="1.2")
        rows = (
            ("GET", "/v1/conversations?limit=1", 200, [200], "models.conversation"),
            ("POST", "/v1/integrations/workflow/memories", 422, [422], "models.integrations"),
        )
        for method, path, status, expected, exercises in rows:
            row = {"method": method, "path": path, "status": status, "expected": expected, "exercises": exercises}
            self.write("endpoint", service="backend", **row, ms=12.5, error=None)
        for attempt in ("no credentials", "wrong token"):
            self.write("auth_refused", attempt=attempt, refused=True, form="HTTP 403", detail="")
        self.probe()

    def probe(self) -> None:
        session = {"sid": "p1", "kind": "pusher", "uid": "e2e-test-probe"}
        self.write("session", **session, event="connecting", url="ws://127.0.0.1:10221/v1/trigger", probe=True)
        self.write("session", **session, event="open", connect_ms=1.0, handshake_ms=2.0, status=101)
        self.line(
            "pusher", "INFO:routers.pusher:_websocket_util_trigger e2e-test-probe", "trigger_started", "e2e-test-probe"
        )
        self.write("sent", sid="p1", kind="pusher.103", data="c0")
        self.closed(session, chunks=2, planned=2)
        self.line("pusher", "INFO:routers.pusher:WebSocket disconnected", "pusher_disconnected")

    # -- the stream --------------------------------------------------------------------------------------------

    def connecting(self, sid="s1", uid="e2e-test", kind="listen", device=0) -> dict:
        session = {"sid": sid, "kind": kind, "uid": uid, "device": device}
        self.write("session", **session, event="connecting", url="ws://127.0.0.1:10220/v4/listen", probe=False)
        return session

    def open(self, session) -> None:
        self.write("session", **session, event="open", connect_ms=1.0, handshake_ms=3.0, status=101)
        self.write("message", sid=session["sid"], kind="ping", data="ping", bytes=4)
        uid = session["uid"]
        for event, text in (
            ("conversation_created", f"Created new stub conversation: c1 {uid} x"),
            ("lifecycle_manager_started", f"Starting conversation lifecycle manager (timeout: 120s) {uid} x"),
            ("speaker_id_loaded", f"Speaker ID: loaded 0 person embeddings {uid} x"),
        ):
            self.line("backend", f"INFO:routers.transcribe:{text}", event, uid)

    def ready(self, session, ms=40.0) -> None:
        for status in ("initiating", "in_progress_conversations_processing", "stt_initiating", "ready"):
            data = {"type": "service_status", "status": status}
            self.write("message", sid=session["sid"], kind="service_status", data=data, bytes=50)
        self.write("session", **session, event="ready", ready_ms=ms)

    def begin(self, session, planned=100, pace="realtime", tape="podcast") -> float:
        start = round(self.time + 0.05 - self.journal.origin, 6)
        interval = {"realtime": 100.0, "max": 0.0}.get(pace, 5.0)
        play = {"tape": tape, "planned": planned, "pace": pace, "interval_ms": interval}
        self.write("stream", sid=session["sid"], event="begin", start=start, **play)
        return start

    def segment(self, session, id: str, text: str, start: float, end: float) -> None:
        item = {"id": id, "text": text, "speaker": "SPEAKER_00", "start": start, "end": end}
        self.write("message", sid=session["sid"], kind="transcript", data=[item], bytes=200)

    def speech(self, session, start: float, said=SAID, lag=0.8) -> None:
        for k, (text, onset, end) in enumerate(said):
            self.at(start + end + lag)
            self.segment(session, f"seg{k}", text.split()[0], onset, end)
            self.segment(session, f"seg{k}", text, onset, end)
            self.line(
                "backend",
                f"INFO:utils.app_integrations:trigger_realtime_integrations {session['uid']}",
                "integrations_triggered",
                session["uid"],
            )
            self.write("generator", cpu=0.02, rss_mb=60.0, loop_lag_ms=1.5, open_sessions=1)

    def finish(self, session, start: float, sent=100, seconds=10.0) -> None:
        self.at(start + seconds)
        last = round(start + seconds - 0.1, 6)
        factor = 1.0
        end = {"sent": sent, "seconds": seconds, "realtime_factor": factor, "last_send": last}
        self.write("stream", sid=session["sid"], event="end", **end)

    def closed(self, session, code=1000, by="client", chunks=100, planned=100, reason="", late_ms=0.4) -> None:
        """`late_ms`: how late its chunks were, all told of here; None: they are told of elsewhere."""
        if late_ms is not None:
            lateness = Histogram().extend([late_ms] * chunks)
            late = chunks if late_ms > 50 else 0
            self.write("sends", n=chunks, late=late, streams=1, lateness=lateness.to_dict())
        self.write(
            "session",
            **session,
            event="closed",
            code=code,
            reason=reason,
            by=by,
            sent_code=code if by == "client" else None,
            received_code=None if code == 1006 else code,
            chunks_planned=planned,
            chunks_sent=chunks,
            bytes_sent=chunks * 3200,
            messages=8,
        )

    def left(self, session, why="life over") -> None:
        """The load ends the session's device."""
        self.write("device", device=session["device"], event="ended", why=why)

    def failed(self, session, reason: str, error: str, status=None) -> None:
        self.write("session", **session, event="failed", reason=reason, error=error, status=status)

    def gone(self, session, drained=True) -> None:
        uid, text = session["uid"], "INFO:routers.transcribe:Client disconnected: code=1000 reason=normal_closure"
        if drained:
            self.line("backend", f"{text} {uid} x", "client_disconnected", uid, detail={"code": 1000})
        drain = {"awaited": "client_disconnected", "seen": drained, "waited_s": 0.2, "required": True}
        self.write("drain", uid=uid, **drain)

    def played(self) -> dict:
        """A run up to where its only session has streamed and left; that session."""
        self.run()
        self.boot()
        self.steps()
        self.tape()
        session = self.stream()
        self.gone(session)
        return session

    def stored(self, session, found=True, segments=3, **fields) -> None:
        self.write(
            "conversation",
            sid=session["sid"],
            uid=session["uid"],
            **{
                "conversation": "c1",
                "found": found,
                "status": 200 if found else 404,
                "state": "in_progress",
                "segments": segments,
                "segment_ids": [f"seg{k}" for k in range(segments)],
                "created_at": "2026-03-14T09:26:58Z",
                "by": "client",
                "text": "",
                "error": None,
                **fields,
            },
        )

    def stream(self, pace="realtime", said=SAID, sid="s1", uid="e2e-test", late_ms=0.4) -> dict:
        session = self.connecting(sid, uid)
        self.open(session)
        self.ready(session)
        start = self.begin(session, pace=pace)
        self.speech(session, start, said)
        self.finish(session, start)
        self.closed(session, late_ms=late_ms)
        self.stored(session)
        return session

    def end(self, reason="complete", error=None) -> None:
        self.write("end", reason=reason, error=error)


@contextmanager
def journal(path: Path):
    path.mkdir(parents=True, exist_ok=True)
    builder = Builder(path)
    try:
        yield builder
    finally:
        builder.journal.close()


def smoke(path: Path, **run) -> Path:
    """A run in which everything went well."""
    with journal(path) as j:
        j.run(**run)
        j.boot()
        j.steps()
        j.tape()
        session = j.stream(pace=run.get("pace", "realtime"))
        j.gone(session)
        j.stop()
        j.end()
    return path


def judged(path: Path):
    """Facts, verdict, and `run.json` of a run directory."""
    facts = read_facts(read_journal(path))
    verdict = judge(facts)
    return facts, verdict, summarise(facts, verdict)


def status(verdict) -> dict[str, str]:
    return {check.name: check.status for check in verdict.checks}


def check(verdict, name: str):
    return next(c for c in verdict.checks if c.name == name)
