"""A trace with each kind of event and each value of each field that has a word, written from
docs/trace-format.md. What `readyc trace` prints of it must be what the page says."""

import itertools
import struct

READINESS, REASONS, DEADLINES = range(8), range(14), range(5)


def number(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def numbers(*values):
    return b"".join(map(number, values))


def settled(inbound, outbound, reason, readiness, queued):
    states = bytes([inbound | outbound << 2]) + (bytes([reason]) if outbound >= 2 else b"")
    return states + bytes([readiness | queued << 3]) + numbers(12, 34567, 89)


def events():
    """Kind, connection and the bytes of the fields of each event."""
    clients = [b"\0", b"\4\x7f\0\0\1\x1f\x90", b"\6" + bytes(15) + b"\1\x1f\x90", b"\x08" + bytes(range(8))]
    yield 26, 0, b""
    for waited in (0, 999, 1_000, 12_345, 9_999_999, 1_000_000_000, 5_000_000_000):
        yield 1, 0, numbers(1, waited)
    for client in clients:
        yield 15, 1, numbers(0, 3) + client
        for why in range(3):
            yield 17, 0, bytes([why]) + client
    for readiness in READINESS:
        yield 2, 1, bytes([readiness])
        yield 2, 2, bytes([readiness | 8])
    yield 3, 0, numbers(1)
    for signal in range(7):
        yield 4, 0, bytes([signal])
    for cause in range(3):
        yield 5, 1, bytes([cause])
    for end in range(6):
        moved = 65536 if end == 1 else 71 if end == 0 else 0
        errno = number(104) if end == 5 else b""
        yield 6, 1, bytes([end | 8]) + number(moved) + errno
        yield 6, 1, bytes([end]) + numbers(moved, 100_000) + errno
    for count in (0, 1, 3):
        yield 7, 1, numbers(count, 5, 66, 0)
    for end in range(5):
        errno = number(32) if end == 4 else b""
        yield 8, 1, bytes([end]) + numbers(1, 0 if end == 0 else 7) + errno + numbers(0, 1)
    for inbound, outbound in itertools.product(range(4), range(6)):
        yield 9, 1, settled(inbound, outbound, 3, 1, 0)
    for readiness, queued in itertools.product(READINESS, range(4)):
        yield 9, 1, settled(0, 0, 0, readiness, queued)
    for why in range(2):
        yield 10, 1, bytes([why]) + number(70_000)
    yield 11, 1, number(1)
    for deadline in DEADLINES:
        yield 12, 1, bytes([deadline]) + number(1_500_000_000)
        yield 13, 1, bytes([deadline])
    yield 14, 0, number(2)
    for why in range(5):
        yield 16, 0, number(1) + bytes([why])
    yield 18, 0, number(4)
    yield 19, 1, b""
    for reason in REASONS:
        yield 20, 10 + reason, bytes([reason, reason % 2]) + number(reason)
    yield 21, 0, number(2**33)
    yield 22, 0, b""
    yield 23, 0, b""
    for step in range(4):
        yield 24, 0, bytes([step])
    for following in range(4):
        yield 25, 0, numbers(2, 1) + bytes([following]) + (number(2**33) if following == 1 else b"")


def write(path):
    """Writes the trace; events of 5 seconds and more apart are in it, too."""
    blocks, payload = [], b""
    time, causes, requests, connection = 3_000_000_000, 0, 0, 0
    header = (time, causes, requests)

    def end_block():
        data = b"rdytrace" + struct.pack("<HHI5QIHH", 1, 64, len(payload), len(blocks) + 1, header[0],
                                         1_700_000_000_000_000_000, header[1], header[2], 77, 0, 0)
        blocks.append((data + payload).ljust(4096, b"\0"))

    for index, (kind, of, fields) in enumerate(events()):
        passed = 6_000_000_000 if index == 40 else 1_234 * (index % 3)
        first, middle = kind, b""
        if passed:
            first, middle = first | 128, number(passed)
            time += passed
        if of and of != connection:
            difference = of - connection
            first, middle = first | 64, middle + number(difference * 2 if difference > 0 else -difference * 2 - 1)
            connection = of
        payload += bytes([first]) + middle + fields
        causes += kind in (13, 15) or kind == 2 and not fields[0] & 8
        requests += fields[0] if kind == 7 else 0
        if len(payload) > 900:
            end_block()
            # A block is missing, so events are.
            blocks.append(b"")
            payload, connection, header = b"", 0, (time, causes, requests)
    end_block()
    with open(path, "wb") as out:
        out.write(b"".join(blocks))
