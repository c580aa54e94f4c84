"""A load that was changed by hand: it is judged by what it did, and whoever reads of it is told."""

from tests.verdict.journals import journal, judged


def test_a_run_that_was_finished_by_hand_can_pass_and_says_so(tmp_path):
    with journal(tmp_path) as j:
        session = j.played()
        for what, users, change in (
            ("pause", 1, {}),
            ("resume", 1, {}),
            ("users", 3, {"change": 2}),
            ("finish", 3, {}),
        ):
            j.write("control", what=what, by="key x", users=users, **change)
        j.stop()
        j.end(reason="finished")
    _, verdict, run = judged(tmp_path)
    assert verdict.value == "pass" and run["ended"] == "finished" and session
    assert run["sentence"].startswith("The load was finished by hand. All ")
    (note,) = run["notes"]
    assert note.startswith("the load was changed by hand, so its command alone does not repeat this run: paused at ")
    assert "resumed at" in note and "+2 users, to 3, at" in note and "finished at" in note
    assert [control["what"] for control in run["controls"]] == ["pause", "resume", "users", "finish"]


def test_somebody_who_cannot_stop_pressing_keys_fills_no_report(tmp_path):
    with journal(tmp_path) as j:
        j.played()
        for n in range(500):
            j.write("control", what="users", by="key +", users=n, change=1)
        j.end()
    _, _, run = judged(tmp_path)
    assert "and 480 more times" in run["notes"][0] and len(run["controls"]) == 50


def test_a_run_that_nobody_touched_says_nothing_of_it(tmp_path):
    with journal(tmp_path) as j:
        j.played()
        j.end()
    _, _, run = judged(tmp_path)
    assert run["controls"] == [] and not any("by hand" in note for note in run["notes"])
