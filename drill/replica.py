"""One exporter of a stack, at an address that stays."""

from collections.abc import Callable, Mapping
from pathlib import Path

from chaos.proxy import ProxyThread
from exporter.ledger.ports import find_free_port
from tests.support.exporter import ExporterProcess


class Replica:
    """`proxy` is the way to its database, `process` what runs at the moment."""

    def __init__(
        self,
        name: str,
        folder: Path,
        conninfo: Callable[[], str],
        proxy: ProxyThread | None,
        settings: Mapping[str, str],
    ) -> None:
        self.name = name
        self.proxy = proxy
        self.address = f"127.0.0.1:{find_free_port()}"
        self.folder = folder / name
        self._conninfo = conninfo
        self._settings = {
            **settings,
            "BILLING_REPLICA": name,
            "BILLING_LISTEN_ADDRESS": self.address,
        }
        self.process: ExporterProcess | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.address}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What commands find it by."""
        return self.running.environment

    @property
    def running(self) -> ExporterProcess:
        """The process."""
        assert self.process is not None, f"{self.name} was not started"
        return self.process

    def start(self, more: Mapping[str, str] | None = None) -> ExporterProcess:
        """Start it, and wait until it listens; `more` are settings for this time."""
        conninfo = self.proxy.conninfo if self.proxy else self._conninfo()
        self.process = ExporterProcess(self.folder, conninfo, {**self._settings, **(more or {})})
        return self.process.wait_listening()

    def stop(self) -> None:
        """SIGTERM."""
        self.running.stop()

    def kill(self) -> None:
        """Kill -9, if it runs."""
        if self.process:
            self.process.kill()
