"""Receive the server's date and time, send the own IP address, receive the MAC address for it.

Usage: exchange_client.py [host] [port]
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 8000

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
    client.connect((HOST, PORT))
    print(client.recv(1024).decode(), flush=True)

    ip_address, _port = client.getsockname()
    client.sendall(ip_address.encode())
    print(client.recv(1024).decode(), flush=True)
