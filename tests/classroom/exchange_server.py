"""Send each client the date and time, then answer its IP address with the MAC address for it.

Usage: exchange_server.py [host] [port]
With port 0 the kernel picks a free port and the server prints it. Runs until SIGTERM.
"""

import socket
import sys
from datetime import datetime

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 8000
MAC_ADDRESSES = {
    "165.165.80.80": "6A:08:AA:C2",
    "165.165.79.1": "8A:BC:E3:FA",
}


def serve(client):
    # The server speaks first; the client answers only after it has read this, so the date and the
    # MAC address can never arrive glued together.
    client.sendall(datetime.now().strftime("%d/%m/%Y %H:%M:%S").encode())
    ip_address = client.recv(1024).decode(errors="replace")
    print("Client details:", ip_address, flush=True)
    client.sendall(MAC_ADDRESSES.get(ip_address, "Not Found").encode())


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    # Lets a restarted server bind while old connections still sit in TIME_WAIT.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, PORT))
    listener.listen()
    if PORT == 0:
        print("listening", listener.getsockname()[1], flush=True)
    while True:
        client, address = listener.accept()
        with client:
            try:
                serve(client)
            except ConnectionError as error:
                # One client's reset must not end the service for the next.
                print(address, error, file=sys.stderr, flush=True)
