"""Keeping the garbage collector from stopping the world."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_heap() -> Iterator[None]:
    """What is alive now is looked at no more: a full collection over modules and devices takes up to a fifth of a
    second, in which nothing is sent.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def freeze_more() -> None:
    """Also what was made since, such as all devices of a ramp. Without a collection first, which would be the stop that
    this is to avoid; the little garbage that is frozen along is let go at the end.
    """
    gc.freeze()
