"""What the engine is given to do: a scenario like any other. `BENCH_RAMP` spreads its devices over seconds."""

import os

from e2e import Device, Load, expect, scenario

RAMP = float(os.environ.get("BENCH_RAMP", "0"))
LOAD = Load.users(1, ramp=RAMP)
EXPECT = [expect.connected(), expect.ready(), expect.no_session_failed()]


@scenario(title="Realtime streams", load=LOAD, services=("backend",), expect=[*EXPECT, expect.all_chunks_sent()])
async def stream(device: Device, chunks: int = 100) -> None:
    """Stream in real time, and read what is said."""
    async with device.listen() as session:
        await session.ready()
        await session.play("podcast", chunks=chunks)


@scenario(title="Connect and stay", load=LOAD, services=("backend",), expect=EXPECT)
async def stay(device: Device, seconds: float = 3.0) -> None:
    """Open a session, and leave after a while."""
    async with device.listen() as session:
        await session.ready()
        await device.sleep(seconds)
