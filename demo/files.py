"""The files of demo/config/, and where the demo keeps what it runs with."""

import shutil
from dataclasses import dataclass, fields
from pathlib import Path

import alertmanager.build
from demo.addresses import Addresses
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.labels import RESOURCE_TYPE
from exporter.settings import Config, read_config

PROJECT = Path(__file__).parents[1]
FOLDER = "demo/config"
ALERTMANAGER_FOLDER = f"{FOLDER}/alertmanager"
_CONFIG = PROJECT / FOLDER
_RULES = PROJECT / "rules" / "generated"


def build() -> dict[str, str]:
    """{path: text} of what is generated there: Alertmanager's part, from billing.yml."""
    return {
        path.replace(alertmanager.build.FOLDER, ALERTMANAGER_FOLDER): text
        for path, text in alertmanager.build.build(read_demo_config()).items()
        # Prometheus finds Alertmanager by the files of targets/.
        if not path.endswith("prometheus-alerting.yml")
    }


def read_demo_config() -> Config:
    """The exporter's configuration in the demo."""
    return read_config(_CONFIG / "billing.yml", DECIMALS, RESOURCE_TYPE.values)


@dataclass(frozen=True, slots=True)
class Place:
    """The demo's folder, and what is where in it."""

    folder: Path

    @property
    def config(self) -> Path:
        """The exporter's billing.yml."""
        return self.folder / "billing.yml"

    @property
    def exporter(self) -> Path:
        """The exporter's data folder, with its database and its secrets."""
        return self.folder / "exporter"

    @property
    def prometheus(self) -> Path:
        """Prometheus' configuration, with its data in `data`."""
        return self.folder / "prometheus"

    @property
    def alertmanager(self) -> Path:
        """Alertmanager's configuration."""
        return self.folder / "alertmanager"

    @property
    def mails(self) -> Path:
        """A file for each mail."""
        return self.folder / "mails"

    @property
    def read_key(self) -> Path:
        """The API key of a page that reads."""
        return self.folder / "read.key"

    @property
    def running(self) -> Path:
        """Where everything listens and by which processes, while it does."""
        return self.folder / "running.json"

    @property
    def logs(self) -> Path:
        """A file for each program."""
        return self.folder / "logs"

    def write(self, addresses: Addresses) -> None:
        """Bring the configuration of all programs, with these addresses in place of the usual."""
        for file in sorted(_CONFIG.rglob("*")):
            if file.is_file():
                self._copy(file, self._target(file.relative_to(_CONFIG)), addresses)
        rules = self.prometheus / "rules"
        shutil.rmtree(rules, ignore_errors=True)
        rules.mkdir(parents=True)
        for file in sorted(_RULES.glob("*.rules.yml")):
            shutil.copy(file, rules)

    def _target(self, path: Path) -> Path:
        """What isn't in a program's folder is Prometheus', but for the exporter's file."""
        if path.parts[0] == "alertmanager" or path.name == "billing.yml":
            return self.folder / path
        return self.prometheus / path

    def _copy(self, file: Path, target: Path, addresses: Addresses) -> None:
        text, usual = file.read_text(encoding="utf-8"), Addresses()
        for field in fields(addresses):
            text = text.replace(getattr(usual, field.name), getattr(addresses, field.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
