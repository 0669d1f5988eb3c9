"""Run every classroom client against its own server and compare all that both print.

Usage: selftest.py [unittest options]
"""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
HOST = "127.0.0.1"
SECONDS_A_TEST_MAY_TAKE = 30
CHAT_REPLY = "Message received successfully...."

# What the client reads from its standard input, and what each side has to print, byte for byte.
# <address>, <date> and <ctime> stand for what differs from run to run; see matches().
PAIRS = {
    "arp": {
        "stdin": b"",
        "client": "<address>\n6A:08:AA:C2\n",
        "server": "MAC address received successfully.\n",
    },
    "exchange": {
        "stdin": b"",
        "client": "<date>\nNot Found\n",
        "server": "Client details: 127.0.0.1\n",
    },
    "daytime": {
        "stdin": b"",
        "client": "<ctime>\r\n\n",
        "server": "<address>\n",
    },
    "date": {
        "stdin": b"",
        "client": "<date>\n",
        "server": "Time received successfully.\n",
    },
    "greeting": {
        "stdin": b"",
        "client": "Hello! You are connected to <address>\n",
        "server": "",
    },
    "chat": {
        "stdin": b"\n\n\n",
        "client": (CHAT_REPLY + "\n") * 4,
        "server": "[<address>] Hello World!\n"
        "[<address>] Hello Everyone!\n"
        "[<address>] Hello again!\n"
        "[<address>] Disconnect !\n",
    },
}


class Server:
    """One server process on a port the kernel picked; use it in a `with` statement."""

    def __init__(self, name):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(FOLDER, name + "_server.py"), HOST, "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self):
        try:
            # A server that fails to start closes its output, so this cannot wait for nothing.
            self.port = int(re.fullmatch(r"listening (\d+)\n", self.read_line()).group(1))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def connect(self):
        return socket.create_connection((HOST, self.port))

    def read_line(self):
        return self.process.stdout.readline().decode()

    def read_error_line(self):
        return self.process.stderr.readline().decode()

    def meet_reset_connection(self):
        """Hand the server a connection that its client has already reset."""
        # Stopped, the server cannot slip its bytes in before the reset.
        self.process.send_signal(signal.SIGSTOP)
        with self.connect() as client:
            # Closing with a linger time of zero sends RST instead of FIN.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.process.send_signal(signal.SIGCONT)

    def terminate(self):
        """Send SIGTERM; return the exit status and what was left to read of both outputs."""
        self.process.terminate()
        output = self.process.stdout.read().decode()
        errors = self.process.stderr.read().decode()
        return self.process.wait(), output, errors


def run_client(name, port, stdin):
    """Run a client to its end; return its exit status and both outputs."""
    client = subprocess.run(
        [sys.executable, os.path.join(FOLDER, name + "_client.py"), HOST, str(port)],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=SECONDS_A_TEST_MAY_TAKE,
    )
    return client.returncode, client.stdout.decode(), client.stderr.decode()


def matches(template, text, seconds):
    """Whether `text` is `template`, with the same loopback address at every <address> and one of
    the given seconds (since the epoch, shown in local time) at <date> and <ctime>."""
    dates = [time.strftime("%d/%m/%Y %H:%M:%S", time.localtime(second)) for second in seconds]
    ctimes = [time.ctime(second) for second in seconds]
    pattern = re.escape(template)
    pattern = pattern.replace(re.escape("<date>"), "(?:" + "|".join(dates) + ")")
    pattern = pattern.replace(re.escape("<ctime>"), "(?:" + "|".join(ctimes) + ")")
    pattern = pattern.replace(
        re.escape("<address>"), r"(?P<same>\('127\.0\.0\.1', [1-9]\d{0,4}\))", 1
    )
    pattern = pattern.replace(re.escape("<address>"), "(?P=same)")
    return re.fullmatch(pattern, text) is not None


class ClassroomTest(unittest.TestCase):
    def setUp(self):
        # Bounds every read in here: a server that says nothing must fail the test, not hang it.
        signal.signal(signal.SIGALRM, self.time_is_up)
        signal.alarm(SECONDS_A_TEST_MAY_TAKE)
        self.addCleanup(signal.alarm, 0)

    @staticmethod
    def time_is_up(_signal_number, _frame):
        raise TimeoutError("the test took longer than %d seconds" % SECONDS_A_TEST_MAY_TAKE)

    def assert_client_works(self, name, server):
        pair = PAIRS[name]
        earliest = int(time.time())
        status, output, errors = run_client(name, server.port, pair["stdin"])
        seconds = range(earliest, int(time.time()) + 1)
        self.assertEqual((status, errors), (0, ""))
        self.assertTrue(matches(pair["client"], output, seconds), repr(output))

    def assert_server_printed(self, name, server):
        expected = PAIRS[name]["server"]
        # The client may end before its server has printed: wait for the lines themselves.
        output = "".join(server.read_line() for _ in expected.splitlines())
        self.assertTrue(matches(expected, output, range(0)), repr(output))

    def test_each_client_against_its_server(self):
        for name in PAIRS:
            with self.subTest(name), Server(name) as server:
                for _client in ("first", "next"):
                    self.assert_client_works(name, server)
                    self.assert_server_printed(name, server)
                self.assertEqual(server.terminate(), (-signal.SIGTERM, "", ""))

    def test_a_reset_connection_does_not_end_the_server(self):
        for name in PAIRS:
            with self.subTest(name), Server(name) as server:
                server.meet_reset_connection()
                self.assertRegex(
                    server.read_error_line(), r"\A\('127\.0\.0\.1', \d+\) \[Errno \d+\] .+\n\Z"
                )
                self.assert_client_works(name, server)

    def test_arp_server_knows_its_table(self):
        with Server("arp") as server:
            for ip_address, mac_address in (
                (b"165.165.79.1", b"8A:BC:E3:FA"),
                (b"165.165.80.80", b"6A:08:AA:C2"),
                (b"10.0.0.1", b"Not Found"),
                (b"165.165.80.80\n", b"Not Found"),
            ):
                with self.subTest(ip_address), server.connect() as client:
                    client.sendall(ip_address)
                    self.assertEqual(client.recv(1024), mac_address)

    def test_exchange_server_knows_its_table(self):
        with Server("exchange") as server, server.connect() as client:
            self.assertRegex(client.recv(1024), rb"\A\d\d/\d\d/\d{4} \d\d:\d\d:\d\d\Z")
            client.sendall(b"165.165.79.1")
            self.assertEqual(client.recv(1024), b"8A:BC:E3:FA")
            self.assertEqual(client.recv(1024), b"")
            self.assertEqual(server.read_line(), "Client details: 165.165.79.1\n")

    def test_chat_server_serves_others_while_one_client_is_silent(self):
        with Server("chat") as server, server.connect():
            self.assert_client_works("chat", server)
            self.assert_server_printed("chat", server)

    def test_chat_server_ends_only_the_conversation_with_a_bad_header(self):
        with Server("chat") as server, server.connect() as bad:
            bad.sendall(b"twelve".ljust(64))
            self.assertEqual(bad.recv(1024), b"")
            self.assertIn("invalid literal", server.read_error_line())
            self.assert_client_works("chat", server)

    def test_chat_server_answers_the_disconnect_message_and_hangs_up(self):
        with Server("chat") as server, server.connect() as client:
            client.sendall(b"12".ljust(64) + b"Disconnect !")
            with client.makefile("rb") as replies:
                # read() returns at the server's FIN; this end stays open until then.
                self.assertEqual(replies.read(), b"33".ljust(64) + CHAT_REPLY.encode())

    def test_chat_client_waits_for_enter_between_messages(self):
        with Server("chat") as server:
            status, output, errors = run_client("chat", server.port, stdin=b"\n")
            self.assertEqual((status, output), (1, (CHAT_REPLY + "\n") * 2))
            self.assertIn("EOFError", errors)


if __name__ == "__main__":
    unittest.main()
