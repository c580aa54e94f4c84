"""The client that most people would write: a `websockets` connection and a task per device, and a sleep per chunk.

    python plain.py PORT STREAMS CHUNKS RAMP_SECONDS

Prints one JSON object.
"""

import asyncio
import json
import os
import sys

from websockets.asyncio.client import ClientConnection, connect

CHUNK_SECONDS = 0.1


class Count:
    """What all devices together have received."""

    messages = 0
    errors = 0


async def listen(connection: ClientConnection, count: Count) -> None:
    async for message in connection:
        if message != "ping":
            json.loads(message)
        count.messages += 1


async def device(port: int, after: float, tape: list[bytes], count: Count) -> None:
    await asyncio.sleep(after)
    url = f"ws://127.0.0.1:{port}/v4/listen?language=en&sample_rate=16000&codec=pcm16&channels=1"
    try:
        async with connect(url, additional_headers={"Authorization": "Bearer bench"}) as connection:
            listener = asyncio.create_task(listen(connection, count))
            loop = asyncio.get_running_loop()
            start = loop.time()
            for k, chunk in enumerate(tape):
                await asyncio.sleep(start + k * CHUNK_SECONDS - loop.time())
                await connection.send(chunk)
        await listener
    except Exception:
        count.errors += 1


async def main() -> None:
    port, streams, chunks = map(int, sys.argv[1:4])
    ramp = float(sys.argv[4])
    recorded = [os.urandom(3200) for _ in range(256)]
    tape = [recorded[k % len(recorded)] for k in range(chunks)]
    count = Count()
    await asyncio.gather(*(device(port, n * ramp / streams, tape, count) for n in range(streams)))
    print(json.dumps({"messages": count.messages, "errors": count.errors}))


if __name__ == "__main__":
    asyncio.run(main())
