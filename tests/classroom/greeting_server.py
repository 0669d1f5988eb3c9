"""Greet everyone who connects with the address they came from, then hang up.

Usage: greeting_server.py [host] [port]
With port 0 the kernel picks a free port and the server prints it. Runs until SIGTERM.
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 9999

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    # Lets a restarted server bind while old connections still sit in TIME_WAIT.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, PORT))
    listener.listen()
    if PORT == 0:
        print("listening", listener.getsockname()[1], flush=True)
    while True:
        client, addr = listener.accept()
        with client:
            try:
                # str() of a Python address: ('192.168.1.6', 57662), quotes and brackets included.
                client.sendall(("Hello! You are connected to " + str(addr)).encode())
            except ConnectionError as error:
                # One client's reset must not end the service for the next.
                print(addr, error, file=sys.stderr, flush=True)
