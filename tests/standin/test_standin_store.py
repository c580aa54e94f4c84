"""The database that both processes of the stand-in open at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

from e2e.standin.store import Store


def test_a_fresh_database_is_opened_by_both_services_at_once(tmp_path):
    together = threading.Barrier(2)

    def boot(path, uid):
        together.wait(10)
        store = Store(path)
        store.add_user(uid)
        return store

    with ThreadPoolExecutor(2) as pool:
        for n in range(100):
            stores = list(pool.map(boot, [tmp_path / f"{n}.db"] * 2, "ab"))
            assert all(store.has_user(uid) for store in stores for uid in "ab")
            for store in stores:
                store.close()
