"""The embedded database that both processes share, in the place of the real services' Firestore.

Writes are small and the file lives as long as a run, so they are neither synced nor moved off the event loop.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from e2e.standin.models import Document, iso

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (uid TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, uid TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL, finished REAL NOT NULL,
    document TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS conversations_of ON conversations (uid, created);
CREATE TABLE IF NOT EXISTS segments (
    conversation TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (conversation, id));
CREATE TABLE IF NOT EXISTS webhooks (
    uid TEXT NOT NULL, kind TEXT NOT NULL, url TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (uid, kind));
"""


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory: one process after the other gets in."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Store:
    """Users, conversations and their segments. Times are Unix seconds."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        self._lock = threading.RLock()
        # Turning a fresh file to WAL fails at once, whatever the timeout, when two do it at the same moment.
        with _alone(path.parent):
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def _run(self, sql: str, *values: object) -> list[tuple]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def add_user(self, uid: str) -> None:
        self._run("INSERT OR IGNORE INTO users VALUES (?)", uid)

    def has_user(self, uid: str) -> bool:
        return bool(self._run("SELECT 1 FROM users WHERE uid = ?", uid))

    def set_webhook(self, uid: str, kind: str, **fields: str | int) -> None:
        """Set `url` or `enabled` of a user's developer webhook."""
        with self._lock:
            self._run("INSERT OR IGNORE INTO webhooks (uid, kind) VALUES (?, ?)", uid, kind)
            for name in fields.keys() & {"url", "enabled"}:
                self._run(f"UPDATE webhooks SET {name} = ? WHERE uid = ? AND kind = ?", fields[name], uid, kind)

    def webhook(self, uid: str, kind: str) -> tuple[str, bool]:
        """Address (empty: none) of a user's developer webhook, and whether it is enabled."""
        rows = self._run("SELECT url, enabled FROM webhooks WHERE uid = ? AND kind = ?", uid, kind)
        return (rows[0][0], bool(rows[0][1])) if rows else ("", False)

    def create(self, uid: str, conversation: Document) -> None:
        now = time.time()
        document = json.dumps(conversation)
        values = (conversation["id"], uid, conversation["status"], now, now, document)
        self._run("INSERT INTO conversations VALUES (?, ?, ?, ?, ?, ?)", *values)

    def update(self, conversation_id: str, **fields: object) -> None:
        """Set fields of a conversation. One that does not exist is left so."""
        with self._lock:
            rows = self._run("SELECT document FROM conversations WHERE id = ?", conversation_id)
            if not rows:
                return
            document = json.loads(rows[0][0]) | fields
            sql = "UPDATE conversations SET document = ?, status = ? WHERE id = ?"
            self._run(sql, json.dumps(document), document["status"], conversation_id)

    def delete(self, conversation_id: str) -> None:
        self._run("DELETE FROM conversations WHERE id = ?", conversation_id)
        self._run("DELETE FROM segments WHERE conversation = ?", conversation_id)

    def put_segments(self, conversation_id: str, segments: Iterable[Document]) -> None:
        """Insert or replace segments; the conversation was spoken in until now."""
        now = time.time()
        rows = [(conversation_id, item["id"], json.dumps(item)) for item in segments]
        sql = (
            "INSERT INTO segments VALUES (?, ?, ?) ON CONFLICT (conversation, id) DO UPDATE SET document = "
            "excluded.document"
        )
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(sql, rows)
            self._db.execute("UPDATE conversations SET finished = ? WHERE id = ?", (now, conversation_id))
            self._db.execute("COMMIT")

    def delete_segments(self, conversation_id: str, segment_ids: Iterable[str]) -> None:
        for segment_id in segment_ids:
            self._run("DELETE FROM segments WHERE conversation = ? AND id = ?", conversation_id, segment_id)

    def segments(self, conversation_id: str) -> list[Document]:
        """In the order in which they were first heard."""
        rows = self._run("SELECT document FROM segments WHERE conversation = ? ORDER BY rowid", conversation_id)
        return [json.loads(row[0]) for row in rows]

    def get(self, conversation_id: str, uid: str | None = None) -> Document | None:
        """A conversation with its `transcript_segments`; with `uid`, only if it is that user's."""
        sql = "SELECT id, finished, document FROM conversations WHERE id = ? AND (uid = ? OR ?)"
        rows = self._run(sql, conversation_id, uid, uid is None)
        return self._full(rows[0]) if rows else None

    def of_user(
        self, uid: str, limit: int = 100, offset: int = 0, statuses: tuple[str, ...] = (), query: str = ""
    ) -> list[Document]:
        """A user's conversations, newest first; `query` is looked for in the transcript and in the title."""
        marks = ",".join("?" * len(statuses))
        sql = (
            "SELECT id, finished, document FROM conversations AS c WHERE uid = ?"
            + (f" AND status IN ({marks})" if statuses else "")
            + " AND (instr(lower(json_extract(document, '$.structured.title')), lower(?)) OR EXISTS (SELECT 1 FROM"
            " segments WHERE conversation = c.id AND instr(lower(json_extract(document, '$.text')), lower(?))))"
            " ORDER BY created DESC LIMIT ? OFFSET ?"
        )
        rows = self._run(sql, uid, *statuses, query, query, limit, offset)
        return [self._full(row) for row in rows]

    def latest(self, uid: str, status: str) -> tuple[Document, float] | None:
        """A user's newest conversation with this status, and when it was last spoken in."""
        sql = "SELECT id, finished, document FROM conversations WHERE uid = ? AND status = ? ORDER BY created DESC"
        rows = self._run(sql + " LIMIT 1", uid, status)
        return (self._full(rows[0]), rows[0][1]) if rows else None

    def count(self, uid: str, status: str) -> int:
        return self._run("SELECT count(*) FROM conversations WHERE uid = ? AND status = ?", uid, status)[0][0]

    def finished(self, conversation_id: str) -> float | None:
        """When a conversation was last spoken in, or created."""
        rows = self._run("SELECT finished FROM conversations WHERE id = ?", conversation_id)
        return rows[0][0] if rows else None

    def _full(self, row: tuple[str, float, str]) -> Document:
        conversation_id, finished, document = row
        extra = {"finished_at": iso(finished), "transcript_segments": self.segments(conversation_id)}
        return json.loads(document) | extra
