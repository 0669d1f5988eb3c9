"""Send the date and time to everyone who connects, then hang up.

Usage: daytime_server.py [host] [port]
With port 0 the kernel picks a free port and the server prints it. Runs until SIGTERM.
"""

import socket
import sys
import time

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
        client, address = listener.accept()
        with client:
            print(address, flush=True)
            try:
                client.sendall((time.ctime(time.time()) + "\r\n").encode())
            except ConnectionError as error:
                # One client's reset must not end the service for the next.
                print(address, error, file=sys.stderr, flush=True)
