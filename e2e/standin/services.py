"""What all sessions of the backend share."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from e2e.standin.recogniser import EnergyRecogniser, Recogniser
from e2e.standin.settings import Settings
from e2e.standin.store import Store


class Services:
    """Settings, the store, and the recognisers of one backend process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.db)
        self._ears = None
        self._background: set[asyncio.Task] = set()

    async def start(self) -> None:
        """Load the first decoder, so that sessions find it warm."""
        if self.settings.recogniser == "sphinx":
            from e2e.standin.ears import Ears

            self._ears = Ears()
            await self._ears.warm()

    async def stop(self) -> None:
        if self._ears is not None:
            await self._ears.close()
        self.store.close()

    def recogniser(self) -> Recogniser:
        if self._ears is None:
            return EnergyRecogniser()
        from e2e.standin.sphinx import SphinxRecogniser

        return SphinxRecogniser(self._ears)

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that outlives its connection and must not hold back a shutdown."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
