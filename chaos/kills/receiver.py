"""A receiver of Alertmanager's webhook that keeps on disk what it got: `receiver.py PORT FILE`.

A message is a line of the file before it is answered, and another line says that it was.
"""

import itertools
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def main(port: int, path: str) -> None:
    """Receive until killed."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    numbers = itertools.count(1)

    def keep(line: dict[str, object]) -> None:
        # What was cut by a kill stays a line of its own.
        os.write(file, b"\n" + json.dumps(line).encode() + b"\n")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            name = f"{os.getpid()}-{next(numbers)}"
            keep({"took": name, "at": time.time(), "message": json.loads(body)})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            keep({"answered": name})

        def log_message(self, *_: object) -> None:
            """Nothing: what came is in the file."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
