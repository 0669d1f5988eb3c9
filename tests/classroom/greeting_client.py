"""Print the greeting that a server sends to everyone who connects.

Usage: greeting_client.py [host] [port]
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 9999

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
    client.connect((HOST, PORT))
    print(client.recv(1024).decode(), flush=True)
