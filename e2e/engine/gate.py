"""How quickly connections are opened."""

import asyncio
from typing import Any, Self

from asyncio_throttle import Throttler

SLICE_SECONDS = 0.02


class Gate:
    """An asynchronous context manager that lets `rate` in a second, in the order of their coming.

    The throttle lets everyone who waits ask again and again; here only the first in the queue asks. It counts in small
    slices of a second, so that a herd is let in evenly and not all at once.
    """

    def __init__(self, rate: float) -> None:
        self._first = asyncio.Lock()
        slice_rate = max(1, round(rate * SLICE_SECONDS))
        self._throttle = Throttler(rate_limit=slice_rate, period=slice_rate / rate, retry_interval=SLICE_SECONDS / 4)

    async def __aenter__(self) -> Self:
        async with self._first:
            await self._throttle.acquire()
        return self

    async def __aexit__(self, *_: Any) -> None:
        pass
