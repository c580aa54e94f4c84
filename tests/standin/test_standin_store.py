"""The database that both processes of the stand-in open at the same moment."""

import multiprocessing

from e2e.standin.store import Store

FILES = 150


def boot(directory, uid, together, outcomes):
    """One service that boots again and again, each time at the same moment as the other."""
    for n in range(FILES):
        together.wait(30)
        try:
            store = Store(directory / f"{n}.db")
            store.add_user(uid)
            store.close()
        except Exception as error:
            outcomes.put(f"{n}: {error}")
    outcomes.put(None)


def test_a_fresh_database_is_opened_by_both_services_at_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    together, outcomes = spawn.Barrier(2), spawn.Queue()
    services = [spawn.Process(target=boot, args=(tmp_path, uid, together, outcomes)) for uid in "ab"]
    for service in services:
        service.start()
    said = list(iter(lambda: outcomes.get(timeout=60), None)) + list(iter(lambda: outcomes.get(timeout=60), None))
    for service in services:
        service.join(30)
    assert said == []
    for n in range(FILES):
        store = Store(tmp_path / f"{n}.db")
        assert store.has_user("a") and store.has_user("b")
        store.close()
