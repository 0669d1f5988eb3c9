#!/usr/bin/env python3
"""An echo server that stops for 200 ms every two seconds, to see what a load generator makes of it.

    stall_server.py PORT

It speaks padded frames (PROTOCOL.md) on 127.0.0.1, in one thread: while it stops, it stops for all.
"""

import selectors
import socket
import sys
import time

HEADER_LEN = 64
EVERY_S, STALL_S = 2.0, 0.2


def answer(connection):
    """Takes whole requests out of the connection's buffer and sends their replies."""
    sock, received = connection["sock"], connection["received"]
    while len(received) >= HEADER_LEN:
        end = HEADER_LEN + int(received[:HEADER_LEN])
        if len(received) < end:
            break
        text = bytes(received[HEADER_LEN:end]).partition(b" ")[2]
        del received[:end]
        sock.sendall(str(len(text)).encode().ljust(HEADER_LEN) + text)


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ, None)
    next_stall = time.monotonic() + EVERY_S
    while True:
        for key, _ in selector.select(max(0.0, next_stall - time.monotonic())):
            if key.data is None:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                state = {"sock": sock, "received": bytearray()}
                selector.register(sock, selectors.EVENT_READ, state)
                continue
            try:
                data = key.data["sock"].recv(65536)
            except ConnectionResetError:
                data = b""
            if data:
                key.data["received"] += data
                answer(key.data)
            else:
                selector.unregister(key.fileobj)
                key.fileobj.close()
        if time.monotonic() >= next_stall:
            time.sleep(STALL_S)
            next_stall += EVERY_S


if __name__ == "__main__":
    main()
