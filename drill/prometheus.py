"""The real Prometheus with the rules in compressed time, and what one asks of it."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import requests

from exporter.ledger.ports import find_free_port
from exporter.settings import Config
from rules.build import rule_groups, terms_of
from tests.support.tools import find_tool
from tests.support.waiting import wait_until

SCRAPE_SECONDS = 1
# Prometheus' own default.
_RESEND_SECONDS = 60
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Firing:
    """When an alert's condition began, and when it fired, in Unix time."""

    active_seconds: float
    fired_seconds: float


class Prometheus:
    """Prometheus on a free port, with everything in `folder`; it runs inside a `with`.

    It scrapes the exporter as `config` names its job, itself and the Alertmanagers, and evaluates
    the rules with every duration divided by `compression`. `exporters` are their addresses by
    instance. Rules of somebody else can be written to `rules_of_others`.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        compression: int,
        *,
        exporters: Mapping[str, str],
        alertmanagers: Sequence[str],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.address = f"127.0.0.1:{find_free_port()}"
        self.url = f"http://{self.address}"
        self.rules_of_others = folder / "others.rules.yml"
        self._resend_seconds = max(1, round(_RESEND_SECONDS / compression))
        self._folder = folder
        self._session = requests.Session()
        self._log_path = folder / "prometheus.log"
        groups = rule_groups(config, terms_of(config, compression))
        # JSON is YAML, too.
        (folder / "billing.rules.yml").write_text(json.dumps({"groups": groups}))
        self._alertmanagers = [*alertmanagers]
        self._jobs: dict[str, dict[str, str]] = {
            config.alerts.job: dict(exporters),
            "prometheus": {"prometheus": self.address},
            "alertmanager": {
                f"alertmanager-{number}": address for number, address in enumerate(alertmanagers)
            },
        }
        self._configure({})

    def _configure(self, other_jobs: Mapping[str, dict[str, str]]) -> None:
        settings = {
            "global": {
                "scrape_interval": f"{SCRAPE_SECONDS}s",
                "scrape_timeout": f"{SCRAPE_SECONDS}s",
                "evaluation_interval": "1s",
            },
            "rule_files": [str(self._folder / "*.rules.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": self._alertmanagers}]}]},
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [
                        {"targets": [address], "labels": {"instance": instance}}
                        for instance, address in targets.items()
                    ],
                }
                for job, targets in {**self._jobs, **other_jobs}.items()
            ],
        }
        (self._folder / "prometheus.yml").write_text(json.dumps(settings))

    def reload(self, other_jobs: Mapping[str, dict[str, str]] | None = None) -> None:
        """Let it read its configuration again, with other targets, {instance: HOST:PORT}, for some
        jobs, and with what is in `rules_of_others`.
        """
        self._configure(other_jobs or {})
        self.process.send_signal(signal.SIGHUP)

    def __enter__(self) -> Self:
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    find_tool("prometheus"),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self.address}",
                    f"--rules.alert.resend-delay={self._resend_seconds}s",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._is_ready, _START_SECONDS, "Prometheus is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._session.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        answer = self._session.get(
            f"{self.url}/api/v1/query", params={"query": expression}, timeout=10
        )
        content = answer.json()
        assert content["status"] == "success", content
        found: list[dict[str, Any]] = content["data"]["result"]
        return found

    def firing(self, alert: str, since_seconds: float, now_seconds: float) -> Firing | None:
        """The first time that the alert fired since then, whatever its labels."""
        window = f"{max(1, round(now_seconds - since_seconds))}s"
        selector = f'{{alertname="{alert}"'
        found = self.query(f'ALERTS{selector},alertstate="firing"}}[{window}]')
        if not found:
            return None
        first = min(found, key=lambda series: series["values"][0][0])
        fired = float(first["values"][0][0])
        states = self.query(f"ALERTS_FOR_STATE{selector}}}[{window}]")
        began = [float(value) for series in states for at, value in series["values"] if at == fired]
        return Firing(min(began, default=fired), fired)

    def is_firing(self, alert: str) -> bool:
        """Whether it fires now."""
        return bool(self.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))

    def samples_scraped(self) -> float:
        """Since when the exporter has been scraped, in scrapes."""
        found = self.query("max(count_over_time(billing_ready[1h]))")
        return float(found[0]["value"][1]) if found else 0.0

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self._log_path.read_text()
        with contextlib.suppress(requests.ConnectionError):
            return self._session.get(f"{self.url}/-/ready", timeout=10).ok
        return False
