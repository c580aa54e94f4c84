"""Steps for `@scenario(before=...)`: what proves each service by itself before the load."""

import asyncio
from dataclasses import replace

from e2e.audio.library import load_tape
from e2e.engine.target import Target

PROBE_CHUNKS = 30


async def endpoint_table(target: Target) -> None:
    """Count the backend's routes and request every row of the endpoint table."""
    await target.endpoint_table()


async def refused_auth(target: Target) -> None:
    """See that listening without credentials, and with wrong ones, is refused."""
    await target.refused_auth()


async def refused_web_auth(target: Target) -> None:
    """See that a browser's session is refused without its first message, and with a wrong token in it."""
    await target.refused_web_auth()


async def accepted_auth(target: Target) -> None:
    """See that listening with the right credentials is accepted; for a scenario in which no device does so."""
    await target.accepted_auth()


async def pusher_probe(target: Target) -> None:
    """Connect to the pusher alone, send it a conversation id and three seconds of audio, and leave cleanly."""
    # A tape of its own: how much the devices play is no matter of the probe.
    tape = await asyncio.to_thread(load_tape, "podcast", chunks=PROBE_CHUNKS)
    async with target.pusher() as session:
        session.conversation(f"e2e-probe-{target.run_id}")
        await session.play(replace(tape, name="probe"))
