"""A user of the embedded server in a process of its own: prints the URL, leaves at end of input."""

import sys
from pathlib import Path

from exporter.ledger.embedded import EmbeddedServer

with EmbeddedServer.open(Path(sys.argv[1])) as server:
    sys.stdout.write(f"{server.url()}\n")
    sys.stdout.flush()
    sys.stdin.read()
