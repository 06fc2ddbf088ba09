"""The programs of the demo, each in a process of its own."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alertmanager.build import FOLDER
from demo.addresses import Addresses
from demo.business import REPLICA, Scale
from demo.files import Place
from demo.interrupts import Interrupts
from demo.program import Program
from tests.support.alertmanager import fitting_variant
from tests.support.tools import find_tool

RETENTION_DAYS = 30


@dataclass(frozen=True)
class Stack:
    """What runs where; entering one of these programs starts it."""

    place: Place
    addresses: Addresses
    interrupts: Interrupts

    @property
    def exporter_url(self) -> str:
        """Where the exporter answers."""
        return f"http://{self.addresses.exporter}"

    @property
    def prometheus_url(self) -> str:
        """Where Prometheus answers."""
        return f"http://{self.addresses.prometheus}"

    @property
    def alertmanager_url(self) -> str:
        """Where Alertmanager answers."""
        return f"http://{self.addresses.alertmanager}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What commands find the exporter by; nothing else of the caller's reaches the demo."""
        return {
            "PATH": os.pathsep.join(os.get_exec_path()),
            "BILLING_CONFIG": str(self.place.config),
            "BILLING_DATA_DIR": str(self.place.exporter),
            "BILLING_LISTEN_ADDRESS": self.addresses.exporter,
            "BILLING_REPLICA": REPLICA,
        }

    def exporter(self, *, alone: bool = False) -> Program:
        """`serve`, with its own PostgreSQL; `alone` it knows of no Alertmanager."""
        known = {} if alone else {"ALERTMANAGER_URL": self.alertmanager_url}
        return self._program(
            "exporter",
            [sys.executable, "-m", "exporter", "serve"],
            f"{self.exporter_url}/-/ready",
            {**self.environment, **known},
        )

    def prometheus(self) -> Program:
        """With the shipped rules, on the data that is there."""
        folder = self.place.prometheus
        command: list[str | Path] = [
            find_tool("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--storage.tsdb.retention.time={RETENTION_DAYS}d",
            f"--web.listen-address={self.addresses.prometheus}",
        ]
        return self._program("prometheus", command, f"{self.prometheus_url}/-/ready")

    def alertmanager(self) -> Program:
        """With the routing that is generated from the demo's billing.yml."""
        folder = self.place.alertmanager
        command: list[str | Path] = [
            find_tool("prometheus-alertmanager"),
            f"--config.file={folder / Path(fitting_variant()).relative_to(FOLDER)}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={self.addresses.alertmanager}",
            "--cluster.listen-address=",
        ]
        return self._program("alertmanager", command, f"{self.alertmanager_url}/-/ready")

    def traffic(self, scale: Scale) -> Program:
        """What goes on in the business from now on."""
        command = [sys.executable, "-m", "exporter", "simulate", "--url", self.exporter_url]
        return self._program("traffic", [*command, *scale.arguments()])

    def _program(
        self,
        name: str,
        command: list[str | Path] | list[str],
        ready_url: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Program:
        found = environment or self.environment
        return Program(name, command, self.place.logs, found, self.interrupts, ready_url)
