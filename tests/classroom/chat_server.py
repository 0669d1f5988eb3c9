"""Print the messages of many clients at once, one thread a connection, and confirm each of them.

Usage: chat_server.py [host] [port]
With port 0 the kernel picks a free port and the server prints it. Runs until SIGTERM.
"""

import socket
import sys
import threading

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 9999
HEADER_SIZE = 64
DISCONNECT = "Disconnect !"
REPLY = b"Message received successfully...."

# print() writes the text and the line end separately: without a lock, lines of two threads can mix.
print_lock = threading.Lock()


def serve(client, addr):
    message = ""
    while message != DISCONNECT:
        header = client.recv(HEADER_SIZE)
        if not header:
            # recv() returns nothing only when the client has closed its end.
            return
        message = client.recv(int(header)).decode(errors="replace")
        with print_lock:
            print(f"[{addr}] {message}", flush=True)
        client.sendall(str(len(REPLY)).encode().ljust(HEADER_SIZE))
        client.sendall(REPLY)


def run_connection(client, addr):
    with client:
        try:
            serve(client, addr)
        except (ConnectionError, ValueError) as error:
            # A reset, or a header that is no number: only this conversation ends.
            print(addr, error, file=sys.stderr, flush=True)


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    # Lets a restarted server bind while old connections still sit in TIME_WAIT.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, PORT))
    listener.listen()
    if PORT == 0:
        print("listening", listener.getsockname()[1], flush=True)
    while True:
        # A daemon thread does not keep the process alive when the main thread ends.
        threading.Thread(target=run_connection, args=listener.accept(), daemon=True).start()
