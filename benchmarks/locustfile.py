"""Locust with websocket-client: a user streams its chunks, and a greenlet of its own reads what the server says.

Locust is told of every server message, as it would be for its statistics, but not of every chunk, which spares it work.
`BENCH_PORT`, `BENCH_STREAMS` and `BENCH_CHUNKS` say what to do. When the last user is done, Locust quits and prints
one JSON object.
"""

import json
import os
import time

import gevent
import websocket
from locust import User, events, task
from locust.exception import StopUser

PORT = int(os.environ["BENCH_PORT"])
STREAMS = int(os.environ["BENCH_STREAMS"])
CHUNKS = int(os.environ["BENCH_CHUNKS"])
CHUNK_SECONDS = 0.1
TAPE = [os.urandom(3200) for _ in range(256)]
URL = f"ws://127.0.0.1:{PORT}/v4/listen?language=en&sample_rate=16000&codec=pcm16&channels=1"
count = {"messages": 0, "errors": 0, "done": 0}


class Device(User):
    """One wearable."""

    @task
    def stream(self) -> None:
        try:
            connection = websocket.create_connection(URL, header={"Authorization": "Bearer bench"})
            listener = gevent.spawn(self.listen, connection)
            start = time.monotonic()
            for k in range(CHUNKS):
                gevent.sleep(max(0.0, start + k * CHUNK_SECONDS - time.monotonic()))
                connection.send_binary(TAPE[k % len(TAPE)])
            connection.send_close()
            listener.join(10)
            connection.shutdown()
        except (websocket.WebSocketException, OSError):
            count["errors"] += 1
        count["done"] += 1
        if count["done"] == STREAMS:
            self.environment.runner.quit()
        raise StopUser

    def listen(self, connection: websocket.WebSocket) -> None:
        """Read until the connection is closed."""
        while True:
            try:
                opcode, data = connection.recv_data(control_frame=False)
            except (websocket.WebSocketException, OSError):
                return
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return
            if data != b"ping":
                json.loads(data)
            count["messages"] += 1
            events.request.fire(
                request_type="WS", name="message", response_time=0, response_length=len(data), exception=None
            )


@events.quitting.add_listener
def report(**_: object) -> None:
    print(json.dumps({key: count[key] for key in ("messages", "errors")}), flush=True)
