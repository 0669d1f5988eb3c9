"""Ask an address-resolution server for the MAC address that belongs to one IP address.

Usage: arp_client.py [host] [port]
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 8000
IP_ADDRESS = "165.165.80.80"

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
    client.connect((HOST, PORT))
    # The kernel chose this end's port while connecting.
    print(client.getsockname(), flush=True)

    # No line end: the server takes whatever one recv() brings as the whole question.
    client.sendall(IP_ADDRESS.encode())
    print(client.recv(1024).decode(), flush=True)
    client.sendall(b"MAC address received successfully.")
