"""The real Prometheus, scraping one exporter."""

import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import requests

from exporter.ledger.ports import find_free_port
from tests.support.tools import find_tool
from tests.support.waiting import wait_until

SCRAPE_SECONDS = 1
Samples = list[tuple[float, float]]


class PrometheusServer:
    """Prometheus on a free port, scraping `target` (HOST:PORT) every second as the job billing;
    its data is in `folder`, `more` is added to the configuration of the job, and `rules` are the
    files of its rules, which it reads again when it is told to.
    """

    def __init__(
        self,
        folder: Path,
        target: str,
        more: Mapping[str, Any] | None = None,
        rules: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "global": {
                "scrape_interval": f"{SCRAPE_SECONDS}s",
                "scrape_timeout": f"{SCRAPE_SECONDS}s",
            },
            "scrape_configs": [
                {
                    "job_name": "billing",
                    "static_configs": [{"targets": [target], "labels": {"instance": "main"}}],
                    **(more or {}),
                }
            ],
            "rule_files": [*rules],
        }
        # JSON is YAML, too.
        self.target = target
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self.url = f"http://127.0.0.1:{find_free_port()}"
        self._log_path = folder / "prometheus.log"
        self._session = requests.Session()
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    find_tool("prometheus"),
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--web.enable-lifecycle",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        try:
            wait_until(self._is_ready, 30, "Prometheus is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._session.close()

    def query(self, expression: str, at_seconds: float | None = None) -> list[dict[str, Any]]:
        """The result of an instant query, now or at a Unix time."""
        parameters: dict[str, str | float] = {"query": expression}
        if at_seconds is not None:
            parameters["time"] = at_seconds
        answer = self._session.get(f"{self.url}/api/v1/query", params=parameters, timeout=10)
        content = answer.json()
        assert content["status"] == "success", content
        result: list[dict[str, Any]] = content["data"]["result"]
        return result

    def samples(self, expression: str, at_seconds: float | None = None) -> Samples:
        """The stored samples, as time and value, of the one series in a range such as `up[1m]`;
        none if there is no such series.
        """
        result = self.query(expression, at_seconds)
        assert len(result) <= 1, result
        return [(time, float(value)) for time, value in result[0]["values"]] if result else []

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self._log_path.read_text()
        with contextlib.suppress(requests.ConnectionError):
            return self._session.get(f"{self.url}/-/ready", timeout=10).ok
        return False
