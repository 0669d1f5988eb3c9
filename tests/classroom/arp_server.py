"""Answer each client's IP address with the MAC address from a small table, one client at a time.

Usage: arp_server.py [host] [port]
With port 0 the kernel picks a free port and the server prints it. Runs until SIGTERM.
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 8000
MAC_ADDRESSES = {
    "165.165.80.80": "6A:08:AA:C2",
    "165.165.79.1": "8A:BC:E3:FA",
}


def serve(client):
    ip_address = client.recv(1024).decode(errors="replace")
    client.sendall(MAC_ADDRESSES.get(ip_address, "Not Found").encode())
    # The client speaks last, so wait for its acknowledgement before closing.
    print(client.recv(1024).decode(errors="replace"), flush=True)


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
