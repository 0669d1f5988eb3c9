"""Send a few messages, each behind a header that tells its length, and print every reply.

Usage: chat_client.py [host] [port]
Press Enter after each reply to send the next message; the last one ends the conversation.
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 9999
HEADER_SIZE = 64
DISCONNECT = "Disconnect !"


def exchange(client, message):
    body = message.encode()
    # The length is counted in bytes, written as text and padded with spaces to a fixed size, so
    # that the other end always knows how much to read next.
    client.sendall(str(len(body)).encode().ljust(HEADER_SIZE))
    client.sendall(body)

    reply_length = int(client.recv(HEADER_SIZE))
    print(client.recv(reply_length).decode(), flush=True)


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
    client.connect((HOST, PORT))
    for message in ("Hello World!", "Hello Everyone!", "Hello again!"):
        exchange(client, message)
        input()
    exchange(client, DISCONNECT)
