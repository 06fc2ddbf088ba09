"""compose.yaml as its tests read it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.tree import PROJECT

FILE = PROJECT / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRETS = "/run/secrets"


def mounts(service: str) -> dict[str, Path]:
    """By target: the files and folders of the project that a service sees."""
    found = {}
    for volume in SERVICES[service].get("volumes", ()):
        if isinstance(volume, dict):
            assert volume["type"] == "bind"
            assert volume["read_only"] is True
            # Without this a missing file would become an empty folder of root's.
            assert volume["bind"] == {"create_host_path": False}
            found[volume["target"]] = Path(os.path.normpath(PROJECT / volume["source"]))
    return found


def make_secrets(folder: Path) -> str:
    """What `make secrets` does, in another folder; what it said."""
    command = [PROJECT / "tools" / "secrets.sh", folder]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr
