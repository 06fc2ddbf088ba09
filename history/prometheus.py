"""Prometheus on a folder of blocks: `serving`."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

from exporter.ledger.ports import find_free_port
from tests.support.tools import find_tool
from tests.support.waiting import wait_until

# Each block is opened before it is ready.
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_QUERY_SECONDS = 600.0
_RETENTION = "90d"


@contextlib.contextmanager
def serving(
    scratch: Path, data: Path, settings: Mapping[str, Any], address: str | None = None
) -> Iterator[str]:
    """The address, http://HOST:PORT, of Prometheus with these settings, as in prometheus.yml; what
    it writes beside its data is in `scratch`.
    """
    address = address or f"127.0.0.1:{find_free_port()}"
    file, log_path = scratch / "prometheus.yml", scratch / "prometheus.log"
    # JSON is YAML, too.
    file.write_text(json.dumps(settings), encoding="utf-8")
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [
                find_tool("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={data}",
                f"--storage.tsdb.retention.time={_RETENTION}",
                f"--web.listen-address={address}",
                f"--query.timeout={_QUERY_SECONDS:.0f}s",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def is_ready() -> bool:
        assert process.poll() is None, log_path.read_text(errors="replace")[-3000:]
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"http://{address}/-/ready", timeout=10).ok
        return False

    try:
        wait_until(is_ready, _START_SECONDS, "Prometheus is ready")
        yield f"http://{address}"
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
