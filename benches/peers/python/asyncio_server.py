#!/usr/bin/env python3
"""asyncio with a Protocol a connection, on its own loop or on uvloop's.

Usage: asyncio_server.py asyncio|uvloop PORT
"""

import asyncio
import sys

from frames import BadHeader, answer_frames

BACKLOG = 4096


class FramedEcho(asyncio.Protocol):
    """While the transport holds too many replies, nothing is read, so that no more are made."""

    def __init__(self):
        self.unparsed = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.unparsed:
            data = self.unparsed + data
        try:
            replies, answered = answer_frames(data)
        except BadHeader as error:
            self.transport.write(error.args[0])
            self.transport.close()
            return
        if replies:
            self.transport.write(replies)
        self.unparsed = data[answered:]

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def serve(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(FramedEcho, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


def main():
    loop_name, port = sys.argv[1], int(sys.argv[2])
    if loop_name == "uvloop":
        import uvloop
        uvloop.install()
    asyncio.run(serve(port))


if __name__ == "__main__":
    main()
