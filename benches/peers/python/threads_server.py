#!/usr/bin/env python3
"""A thread a connection, with blocking sockets. Usage: threads_server.py PORT"""

import socket
import sys
import threading

from frames import BadHeader, answer_frames

READ_CHUNK = 64 * 1024
BACKLOG = 4096


def converse(connection):
    unparsed = b""
    while received := connection.recv(READ_CHUNK):
        data = unparsed + received if unparsed else received
        replies, answered = answer_frames(data)
        if replies:
            connection.sendall(replies)
        unparsed = data[answered:]


def serve(connection):
    with connection:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            converse(connection)
        except BadHeader as error:
            connection.sendall(error.args[0])
        except OSError:
            pass  # the client went away: only its own connection ends


def main():
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=BACKLOG) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
