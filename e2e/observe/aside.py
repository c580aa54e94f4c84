"""What a child says beside its log, on its own output: no part of the log, but no import error in it is missed."""

from typing import Any

from e2e.record.journal import Journal


class Aside:
    """Takes the place of the journal for lines that are counted nowhere. Keeps the first of each import error.

    Most services that log to a file print the same lines too: what the log told as well is dropped at the end. What
    remains is what never reaches a log, such as the traceback of a thread, or of a boot before logging was set up.
    """

    def __init__(self, journal: Journal) -> None:
        self.redactor = journal.redactor
        self.origin = journal.origin
        self.now = journal.now
        self._journal = journal
        self._kept: dict[tuple[str | None, str | None], dict[str, Any]] = {}

    def write(self, type: str, /, **fields: Any) -> None:
        if type == "import_error":
            self._kept.setdefault((fields["module"], fields["name"]), fields)

    def tell(self, but: set[tuple[str | None, str | None]]) -> None:
        """Journal what was kept `but` those (module, name). The lines have no number: they are of no log."""
        for what, fields in self._kept.items():
            if what not in but:
                self._journal.write("import_error", **fields | {"source": "output", "n": None})
        self._kept.clear()
