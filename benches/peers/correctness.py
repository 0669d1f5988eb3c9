"""What a server must get right before its cost means anything.

A server that takes every read for a whole request, or every write for a complete one, is cheap and
wrong. Each check here is a conversation on a connection of its own, in either of two protocols.
"""

import select
import socket
import time

from measuring import HOST

LIMIT_S = 10
PIECE_PAUSE_S = 0.001
STALLED_MS = 300
MIB = 1 << 20


class Incorrect(Exception):
    """A server's answer was not the right one."""


class Framed:
    """Frames: 64 bytes of length in ASCII digits and spaces, then the body."""
    LONGEST_TEXT = MIB - len(b"ECHO ")  # so that the body is what readyd takes by default
    MALFORMED = {
        "letters": b"x" * 64,
        "spaces only": b" " * 64,
        "a sign": b"+5".ljust(64) + b"ECHO ",
        "a digit after a space": b"5 5".ljust(64) + b"ECHO ",
        "a NUL": b"5\0".ljust(64) + b"ECHO ",
    }

    @staticmethod
    def frame(body):
        return b"%-64d" % len(body) + body

    @classmethod
    def request(cls, text):
        return cls.frame(b"ECHO " + text)

    @classmethod
    def reply(cls, text):
        return cls.frame(text)


class Resp:
    """Redis's protocol: an array of bulk strings, answered with a bulk string."""
    LONGEST_TEXT = MIB
    MALFORMED = {
        "letters for a length": b"*1\r\n$x\r\n",
        "no bulk string": b"*1\r\nECHO\r\n",
    }

    @staticmethod
    def request(text):
        return b"*2\r\n$4\r\nECHO\r\n" + Resp.reply(text)

    @staticmethod
    def reply(text):
        return b"$%d\r\n%b\r\n" % (len(text), text)


def text_of(length):
    """Bytes that differ from their neighbours, all 256 values of them."""
    return bytes((i * 7 + (i >> 8)) & 0xFF for i in range(length))


def connect(port):
    connection = socket.create_connection((HOST, port), timeout=LIMIT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def expect(connection, expected):
    """Reads as many bytes as `expected` has and compares them."""
    received = bytearray()
    while len(received) < len(expected):
        try:
            chunk = connection.recv(len(expected) - len(received))
        except OSError as error:
            raise Incorrect(f"after {len(received)} of {len(expected)} bytes: {error}") from error
        if not chunk:
            raise Incorrect(f"closed after {len(received)} of {len(expected)} bytes")
        received += chunk
    if received != expected:
        at = next(i for i, (one, other) in enumerate(zip(received, expected)) if one != other)
        raise Incorrect(f"byte {at}: {bytes(received[at:at + 40])!r}, "
                        f"not {bytes(expected[at:at + 40])!r}")


def expect_end(connection, may_say_something):
    """Waits for the server's FIN, or its reset where there may be one."""
    try:
        while said := connection.recv(65536):
            if not may_say_something:
                raise Incorrect(f"{said[:40]!r} after the last reply")
    except ConnectionResetError:
        if not may_say_something:
            raise Incorrect("reset instead of closed") from None
    except OSError as error:
        raise Incorrect(f"not closed: {error}") from error


def split_at_every_byte(port, protocol):
    """A byte at a time; the pause gives the server the time to read each by itself."""
    with connect(port) as connection:
        for byte in protocol.request(b"one byte at a time"):
            connection.send(bytes([byte]))
            time.sleep(PIECE_PAUSE_S)
        expect(connection, protocol.reply(b"one byte at a time"))


def whole_and_a_part(port, protocol):
    """The reply to a whole request must not wait for the rest of the next."""
    second = protocol.request(b"second")
    with connect(port) as connection:
        for cut in range(1, len(second)):
            connection.sendall(protocol.request(b"first") + second[:cut])
            expect(connection, protocol.reply(b"first"))
            connection.sendall(second[cut:])
            expect(connection, protocol.reply(b"second"))


def pipelined(port, protocol):
    texts = [text_of(length) for length in (0, 1, 2, 31, 32, 33, 1000, 0, 5000, 0)] * 30
    with connect(port) as connection:
        connection.sendall(b"".join(map(protocol.request, texts)))
        expect(connection, b"".join(map(protocol.reply, texts)))


def longest_body(port, protocol):
    text = text_of(protocol.LONGEST_TEXT)
    with connect(port) as connection:
        connection.sendall(protocol.request(text))
        expect(connection, protocol.reply(text))
        connection.sendall(protocol.request(b"small again"))
        expect(connection, protocol.reply(b"small again"))


def replies_not_taken(port, protocol):
    """Reads nothing until the server takes nothing more, so that its writes fall short."""
    text = text_of(protocol.LONGEST_TEXT)
    requests = memoryview(protocol.request(text) * 24)
    expected = memoryview(protocol.reply(text) * 24)
    with connect(port) as connection:
        connection.setblocking(False)
        poll = select.poll()
        poll.register(connection, select.POLLOUT)
        while requests and poll.poll(STALLED_MS):
            requests = requests[connection.send(requests):]
        deadline = time.monotonic() + LIMIT_S
        while expected:
            poll.modify(connection, select.POLLIN | (select.POLLOUT if requests else 0))
            ready = poll.poll(1000 * max(0, deadline - time.monotonic()))
            if not ready:
                raise Incorrect(f"{len(expected)} bytes of the replies have not come")
            if ready[0][1] & select.POLLOUT:
                requests = requests[connection.send(requests):]
            if ready[0][1] & ~select.POLLOUT:
                received = connection.recv(MIB)
                if not received or received != expected[:len(received)]:
                    raise Incorrect(f"wrong or closed with {len(expected)} bytes of replies to come")
                expected = expected[len(received):]


def half_close(port, protocol):
    """`printf ... | nc -N`: everything before the FIN is answered, then the server closes."""
    texts = [b"%d" % number for number in range(100)]
    with connect(port) as connection:
        connection.sendall(b"".join(map(protocol.request, texts)))
        connection.shutdown(socket.SHUT_WR)
        expect(connection, b"".join(map(protocol.reply, texts)))
        expect_end(connection, may_say_something=False)


def malformed(port, protocol):
    """Ends the connection, after the reply to what came before; others do not notice."""
    with connect(port) as bystander:
        for what, bytes_sent in protocol.MALFORMED.items():
            with connect(port) as connection:
                connection.sendall(protocol.request(b"before") + bytes_sent)
                try:
                    expect(connection, protocol.reply(b"before"))
                    expect_end(connection, may_say_something=True)
                except Incorrect as error:
                    raise Incorrect(f"{what}: {error}") from error
        bystander.sendall(protocol.request(b"still here"))
        expect(bystander, protocol.reply(b"still here"))


def reset(port, protocol):
    """A client that goes away in the middle takes nobody with it."""
    for _ in range(20):
        with connect(port) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(protocol.request(text_of(100000)) + protocol.request(b"half")[:-1])
    with connect(port) as connection:
        connection.sendall(protocol.request(b"after resets"))
        expect(connection, protocol.reply(b"after resets"))


CHECKS = (split_at_every_byte, whole_and_a_part, pipelined, longest_body, replies_not_taken,
          half_close, malformed, reset)


def errors_of(port, protocol):
    """Returns what is wrong with the server on `port`, a sentence for each check that it fails."""
    errors = []
    for check in CHECKS:
        try:
            check(port, protocol)
        except (Incorrect, OSError) as error:
            errors.append(f"{check.__name__}: {error}")
    return errors
