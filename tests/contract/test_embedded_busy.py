"""A server that is too busy to let anybody in is not taken for a stranger."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.ledger.place import find_place
from exporter.ledger.probe import NoServerError, connect_to_cluster
from exporter.ledger.roles import SUPERUSER, passfile, write_passfile

# A process of its own, as libpq asks whether a server answers without letting other threads run.
# It refuses the first of two connections, which is an answer, and says nothing to the second.
SERVER = r"""
import itertools, socket, sys
refusal = b"SFATAL\0C28000\0Mno\0\0"
kept = []
with socket.socket(fileno=int(sys.argv[1])) as listening:
    for number in itertools.count():
        connection, _ = listening.accept()
        kept.append(connection)
        if number % 2 == 0:
            connection.recv(4096)
            connection.sendall(b"E" + (4 + len(refusal)).to_bytes(4, "big") + refusal)
"""


@pytest.fixture
def port() -> Iterator[int]:
    """Where that server listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        server = subprocess.Popen([sys.executable, "-c", SERVER, str(number)], pass_fds=[number])
        yield listening.getsockname()[1]
        server.kill()
        server.wait()


def test_who_does_not_answer_in_time_may_be_asked_again(tmp_path: Path, port: int) -> None:
    write_passfile(passfile(tmp_path, SUPERUSER), SUPERUSER, "a-password")
    with pytest.raises(NoServerError, match="timeout"):
        connect_to_cluster(find_place(tmp_path), tmp_path, port)
