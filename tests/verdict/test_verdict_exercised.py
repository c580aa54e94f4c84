"""What the import probe saw, joined with the logs."""

from e2e.verdict.exercised import Exercised
from e2e.verdict.logs import ImportProblems

PROBED = {
    "t": 2.0,
    "service": "backend",
    "module": "models.place",
    "name": "gone",
    "file": "routers/x.py",
    "line": 7,
    "phase": "stream",
    "count": 3,
    "kind": "ImportError",
    "reason": "cannot import name 'gone' from 'models.place'",
    "error": True,
    "rule": "watched",
}
LOGGED = {
    "t": 2.1,
    "service": "backend",
    "kind": "ImportError",
    "module": "models.place",
    "name": "gone",
    "file": "/srv/backend/routers/x.py",
    "line": 7,
    "phase": "stream",
    "source": "log",
    "evidence": ["ERROR:x:cannot import name 'gone' from 'models.place'"],
    "n": 4,
}


def folded(*records):
    problems = ImportProblems()
    for record in records:
        (problems.fold_probed if "rule" in record else problems.fold)(record)
    return list(problems), problems.total


def test_the_same_error_of_log_and_probe_is_one_entry_in_either_order():
    for order in ((PROBED, LOGGED), (LOGGED, PROBED)):
        (problem,), total = folded(*order)
        assert (problem.source, problem.evidence, problem.line) == ("log, probe", LOGGED["evidence"], 7)
        assert (problem.count, total) == (1, 1)


def test_a_log_without_the_place_gets_it_from_the_probe():
    bare = LOGGED | {"file": "/srv/backend/models/place.py", "line": None}
    (problem,), _ = folded(bare, PROBED)
    assert (problem.file, problem.line, problem.source) == ("routers/x.py", 7, "log, probe")


def test_other_places_and_other_services_are_errors_of_their_own():
    assert len(folded(LOGGED, PROBED | {"line": 9})[0]) == 2
    assert len(folded(LOGGED, PROBED | {"service": "pusher"})[0]) == 2
    (problem,), total = folded(PROBED, PROBED | {"phase": "drain", "count": 2})
    assert (problem.source, problem.count, total) == ("probe", 5, 5)
    assert "routers/x.py:7" in problem.evidence[0]


def test_which_watched_modules_were_exercised():
    exercised = Exercised()
    use = {"service": "backend", "file": "a.py", "line": 1, "own": True, "phase": "boot", "count": 1}
    exercised.use(use | {"module": "models", "names": ["place"]})
    exercised.use(use | {"module": "models.audio.file", "names": [], "line": 2})
    exercised.use(use | {"module": "models.audio.file", "names": [], "line": 2, "phase": "stream", "count": 4})
    exercised.probe({"service": "backend", "processes": 1, "complete": True, "watch": ["models.place", "models.audio"]})
    exercised.probe({"service": "pusher", "processes": 0, "complete": True, "watch": ["models.never"]})
    summary = exercised.summary()
    assert summary["never"] == ["models.never"]
    assert [(row["module"], row["count"]) for row in summary["rows"]] == [("models.audio", 5), ("models.place", 1)]
    assert summary["rows"][0]["phases"] == {"boot": 1, "stream": 4}
    assert exercised.saw("backend") and not exercised.saw("pusher")
    assert "did not run there" in summary["services"]["pusher"]["words"]
