"""A wire that is long: whatever a client sends arrives later, so each request costs that much more."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

_CHUNK_BYTES = 1 << 18


@contextlib.contextmanager
def far_away(endpoint: str, latency_s: float) -> Iterator[str]:
    """Give an endpoint from which `endpoint` is `latency_s` away, there and back together.

    Bytes are late and not fewer a second: what is sent in a row arrives in a row.
    """
    target = urlsplit(endpoint)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connect = threading.Thread(
            target=_accept, args=(listener, (target.hostname, target.port), latency_s), daemon=True
        )
        connect.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread that waits for the next client
        connect.join()


def _accept(listener: socket.socket, target: tuple[str | None, int | None], latency_s: float) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # the test is over
            return
        server = socket.create_connection((str(target[0]), int(target[1] or 80)))
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        late: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        for work in ((_hold, client, late, latency_s), (_release, late, server), (_pass_on, server, client)):
            threading.Thread(target=work[0], args=work[1:], daemon=True).start()


def _hold(client: socket.socket, late: "queue.SimpleQueue[tuple[float, bytes]]", latency_s: float) -> None:
    data = b"begin"
    while data:
        try:
            data = client.recv(_CHUNK_BYTES)
        except OSError:
            data = b""
        late.put((time.monotonic() + latency_s, data))


def _release(late: "queue.SimpleQueue[tuple[float, bytes]]", server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            due, data = late.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                server.shutdown(socket.SHUT_WR)
                return
            server.sendall(data)


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError), server, client:
        while data := server.recv(_CHUNK_BYTES):
            client.sendall(data)
