#!/usr/bin/env python3
"""Prints a trace as numbers, one event a line: TIME KIND CONNECTION FIELDS. Written from docs/trace-format.md."""

import struct
import sys

# The fields of each kind: n number, b byte, c distance to a cause, r to a request, and others below.
FIELDS = {1: "nn", 2: "b", 3: "n", 4: "b", 5: "b", 6: "R", 7: "Qnnc", 8: "S", 9: "Znnn", 10: "bn", 11: "n", 12: "bn",
          13: "b", 14: "n", 15: "nnP", 16: "nb", 17: "bP", 18: "n", 19: "", 20: "bbn", 21: "n", 22: "", 23: "", 24: "b",
          25: "nnN", 26: "", 27: "P"}
OF_A_CONNECTION = {2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 19, 20}


class Block:
    def __init__(self, block):
        (self.length, self.sequence, self.time, _, self.causes, self.requests) = struct.unpack_from("<I5Q", block, 12)
        self.bytes, self.at, self.connection = block, 64, 0

    def byte(self):
        self.at += 1
        return self.bytes[self.at - 1]

    def number(self):
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def field(self, code):
        if code == "b":
            return [self.byte()]
        if code == "c":
            return [(self.causes - self.number()) % 2**64]
        if code == "r":
            return [(self.requests - self.number()) % 2**64]
        if code == "Q":
            count = self.number()
            self.requests += count
            return [count, self.requests]
        if code == "R":
            end, moved = self.byte(), self.number()
            room = 65536 if end & 8 else self.number()
            return [end & 7, moved, room] + ([self.number()] if end & 7 == 5 else [])
        if code == "S":
            end, moved, left = self.byte(), self.number(), self.number()
            errno = [self.number()] if end == 4 else []
            return [end, moved, left] + errno + self.field("r") + self.field("c")
        if code == "Z":
            states = self.byte()
            return [states] + ([self.byte()] if states >> 2 >= 2 else []) + [self.byte()]
        if code == "P":
            kind = self.byte()
            size = {0: 0, 1: 0, 4: 6, 6: 18, 8: 8}[kind]
            self.at += size
            return [kind] + list(self.bytes[self.at - size:self.at])
        if code == "N":
            following = self.byte()
            return [following] + ([self.number()] if following == 1 else [])
        return [self.number()]

    def events(self):
        while self.at < 64 + self.length:
            first = self.byte()
            self.time += self.number() if first & 128 else 0
            if first & 64:
                zigzag = self.number()
                self.connection = (self.connection + (zigzag >> 1 ^ -(zigzag & 1))) % 2**32
            kind = first & 63
            fields = [number for code in FIELDS[kind] for number in self.field(code)]
            self.causes += kind in (13, 15) or (kind == 2 and not fields[0] & 8)
            yield [self.time, kind, self.connection if kind in OF_A_CONNECTION else 0] + fields


data = open(sys.argv[1], "rb").read()
blocks = [data[at:at + 4096] for at in range(0, len(data), 4096)]
found = [Block(block) for block in blocks if block[:12] == b"rdytrace\x01\x00\x40\x00"]
for block in sorted(found, key=lambda block: block.sequence):
    for event in block.events():
        print(*event)
