"""A server for the load test, with Python's own HTTP: it does to a request what the path asks for, and counts."""

import collections
import json
import os
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

counts = collections.Counter()
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    asked = 0

    def do_GET(self):
        if self.path == "/counts":
            return self.answer(200, json.dumps(counts).encode())
        with lock:
            counts[self.path] += 1
        self.asked += 1
        if self.path == "/ok" or self.path == "/third" and self.asked % 3:
            self.answer(200, b"ok")
        elif self.path == "/bad":
            self.answer(500, b"no")
        elif self.path in ("/reset", "/third"):  # Every third of a connection is reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
        elif self.path == "/gone":
            self.close_connection = True
        elif self.path == "/half":
            self.answer(200, b"half", 10)
            self.close_connection = True
        elif self.path == "/strange":
            self.wfile.write(b"220 mail.example.com\r\n\r\n")
            self.close_connection = True
        elif self.path == "/late":  # Never: it waits until the client has left.
            self.rfile.read(1)
            self.close_connection = True

    def answer(self, status, body, length=None):
        self.send_response(status)
        self.send_header("content-length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
