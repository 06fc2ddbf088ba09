"""Ports of the loopback address for the embedded server."""

import secrets
import socket

from exporter.errors import EmbeddedServerError

HOST = "127.0.0.1"

# Below the range from which Linux gives outgoing connections their ports (32768 and up): in it, a
# client that knocks while the server is down could be given the server's port and talk to itself.
PORTS = range(20000, 30000)


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As PostgreSQL does, lest the remains of closed connections look like a server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def find_free_port() -> int:
    for _ in PORTS:
        port = secrets.choice(PORTS)
        if is_free(port):
            return port
    raise EmbeddedServerError(f"No port of {HOST} from {PORTS[0]} to {PORTS[-1]} is free.")
