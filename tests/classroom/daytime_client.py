"""Print the date and time that a daytime server sends.

Usage: daytime_client.py [host] [port]
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 9999

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
    client.connect((HOST, PORT))
    # One recv() only: this works as long as the whole line arrives in one piece.
    daytime = client.recv(1024)

# Printed as received: the server's "\r\n" is followed by print()'s own "\n".
print(daytime.decode(), flush=True)
