"""What the static audit found, joined with the logs and the import probe."""

import pytest

from e2e.verdict import expect
from e2e.verdict.audits import Audits, proven
from e2e.verdict.exercised import Exercised
from e2e.verdict.logs import ImportProblems
from tests.verdict.journals import check, journal, judged

FINDING = {
    "t": 0.4,
    "kind": "missing-name",
    "code": "IMP102",
    "module": "models.place",
    "name": "gone",
    "file": "routers/x.py",
    "line": 7,
    "message": "models.place has no name gone",
}
PROBED = {
    "t": 2.0,
    "service": "backend",
    "module": "models.place",
    "name": "gone",
    "file": "routers/x.py",
    "line": 7,
    "phase": "stream",
    "kind": "ImportError",
    "reason": "cannot import name 'gone'",
    "rule": "watched",
}
LOGGED = PROBED | {"file": "/srv/backend/routers/x.py", "evidence": ["ERROR:x:cannot import name 'gone'"]}
AUDITED = {"service": "backend", "tree": "backend", "error": None, "files": 3, "statements": 4, "accepted": 0}


def joined(*records, services=("backend", "pusher"), finding=FINDING):
    problems = ImportProblems()
    for record in records:
        (problems.fold if "evidence" in record else problems.fold_probed)(record)
    problems.join_audit(list(services), [finding])
    return [(p.service, p.kind, p.phase, p.source) for p in problems]


def test_what_was_executed_and_what_the_audit_found_is_one_entry():
    assert joined(PROBED) == [("backend", "ImportError", "stream", "probe, audit")]
    assert joined(LOGGED, PROBED) == [("backend", "ImportError", "stream", "log, probe, audit")]
    assert joined(LOGGED | {"file": None, "line": None}) == [("backend", "ImportError", "stream", "log, audit")]
    both = joined(PROBED, PROBED | {"service": "pusher"})
    assert [entry[0::3] for entry in both] == [("backend", "probe, audit"), ("pusher", "probe, audit")]


def test_of_a_module_that_is_gone_python_names_the_part_that_it_missed():
    finding = FINDING | {"kind": "missing-module", "module": "models.gone.deep", "name": None}
    probed = PROBED | {"module": "models.gone", "name": None, "kind": "ModuleNotFoundError"}
    assert [entry[3] for entry in joined(probed, finding=finding)] == ["probe, audit"]
    assert [entry[3] for entry in joined(probed | {"module": "models.g"}, finding=finding)] == ["probe", "audit"]


def test_what_nobody_executed_is_of_every_service_of_the_tree():
    assert joined() == [("backend, pusher", "missing-name", None, "audit")]
    problems = ImportProblems()
    problems.join_audit(["backend", "pusher"], [FINDING])
    assert len(problems.of("backend")) == len(problems.of("pusher")) == problems.total == 1
    assert len(joined(PROBED | {"line": 8})) == len(joined(PROBED, services=("pusher",))) == 2


def use(service, file, line, module="models.place", **fields):
    fields = {"names": [], "own": True, "phase": "boot", "count": 1, **fields}
    return {"service": service, "file": file, "line": line, "module": module, **fields}


def test_how_much_of_the_tree_was_proven():
    audits, exercised = Audits(), Exercised()
    for service in ("backend", "pusher"):
        audits.audit(AUDITED | {"service": service, "errors": 1, "findings": [FINDING]})
        exercised.probe({"service": service, "processes": 1, "complete": True})
    audits.places({"tree": "backend", "files": {"main.py": [1, 2], "routers/x.py": [7, 9]}})
    for record in (use("backend", "main.py", 1), use("backend", "main.py", 1, "other"), use("pusher", "main.py", 2)):
        exercised.use(record)
    exercised.use(use("backend", "main.py", 3, "__future__"))
    exercised.use(use("backend", "beside.py", 1))
    exercised.use(use("pusher", "routers/x.py", 7))
    exercised.fail(PROBED)
    services, (tree,) = proven(audits, exercised)
    figures = [{k: p[k] for k in ("executed", "failed", "never", "outside")} for p in (*services.values(), tree)]
    assert figures == [
        {"executed": 1, "failed": 1, "never": 2, "outside": 1},
        {"executed": 2, "failed": 0, "never": 2, "outside": 0},
        # What failed in one is not proven by the other.
        {"executed": 2, "failed": 1, "never": 1, "outside": 1},
    ]
    assert tree["never_where"] == {"routers/x.py": [9]} and tree["complete"] and tree["statements"] == 4


def test_a_record_that_the_journal_cut_leaves_the_proof_incomplete():
    audits, exercised = Audits(), Exercised()
    audits.audit(AUDITED)
    audits.places({"tree": "backend", "files": {"main.py": [1, "[3 more]"], "...": "[9 more]"}})
    assert audits.trees == {"backend": {("main.py", 1)}}
    assert proven(audits, exercised)[0]["backend"]["complete"] is False


def run(path, *audits, probed=True, read=True):
    with journal(path) as j:
        j.run([expect.zero_import_errors()])
        j.boot()
        for audit in audits:
            j.write("import_audit", **audit)
        j.tape()
        j.gone(j.stream())
        if probed:
            j.write("import_probe", service="backend", processes=1, python=["3.12.1"], facts=1, complete=True, watch=[])
        j.stop(**({} if read else {"failures": 1, "gap_seconds": 1.0}))
        j.end()
    _, verdict, summary = judged(path)
    return check(verdict, "zero_import_errors"), summary


@pytest.mark.parametrize(
    ("audits", "probed", "says"),
    [
        ([], False, "logs of 2 services read, no import probe, no source audit"),
        (
            [],
            True,
            "logs of 2 services read, import probe in 1 service (backend of backend and pusher), no source audit",
        ),
        (
            [AUDITED, AUDITED | {"service": "pusher"}],
            False,
            "logs of 2 services read, no import probe, audit of 1 source tree",
        ),
        (
            [AUDITED, AUDITED | {"service": "pusher", "tree": "p"}],
            False,
            "logs of 2 services read, no import probe, audit of 2 source trees",
        ),
        (
            [{"service": "backend", "tree": "backend", "error": "not done after 60 s"}],
            False,
            "no import probe, no source audit",
        ),
    ],
)
def test_the_check_says_on_which_sources_it_stands(tmp_path, audits, probed, says):
    found, summary = run(tmp_path / "r", *audits, probed=probed)
    assert found.status == "pass" and found.detail.endswith(says)
    assert summary["imports"]["stands_on"].endswith(says)


def test_an_audit_proves_nothing_of_logs_that_were_not_read_and_fails_all_the_same_on_what_it_found(tmp_path):
    assert run(tmp_path / "a", AUDITED, read=False)[0].status == "inconclusive"
    found, summary = run(tmp_path / "b", AUDITED | {"errors": 1, "findings": [FINDING]}, read=False)
    assert found.status == "fail" and "seen by audit" in found.detail
    (error,) = summary["imports"]["errors"]
    assert (error["service"], error["source"], error["phase"]) == ("backend", "audit", None)
    assert summary["imports"]["services"]["backend"]["found_by_audit"] == 1


def test_not_shown_says_what_the_audit_alone_looked_at_and_what_lines_without_a_time_may_be(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.zero_import_errors()])
        j.boot()
        for service in ("backend", "pusher"):
            j.write("import_audit", **AUDITED | {"service": service})
        j.tape()
        j.gone(j.stream())
        j.stop(dated=False, before=3)
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    told = "\n".join(summary["not_shown"])
    assert "only looked at by the audit" in told and "inside functions" not in told
    assert "The lines of backend's log carry no time with a zone" in told
    assert "3 lines of before the run left out" in check(verdict, "zero_import_errors").evidence[0]
