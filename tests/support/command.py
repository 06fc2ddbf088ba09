"""The command line, run as a program of its own."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.exporter import ExporterProcess
from tests.support.tree import PROJECT

Answer = subprocess.CompletedProcess[str]


def run_command(folder: Path, environment: Mapping[str, str], *arguments: str | Path) -> Answer:
    """Run `billing-exporter` in a folder, with nothing in its environment but what is given."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def command_of(process: ExporterProcess) -> Callable[..., Answer]:
    """Runs a command with the settings of a running exporter; keywords change them."""
    address = process.url.removeprefix("http://")
    environment = {**process.environment, "BILLING_LISTEN_ADDRESS": address}
    return lambda *arguments, **settings: run_command(
        process.data_dir, {**environment, **settings}, *arguments
    )
