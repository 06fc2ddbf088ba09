"""One exporter with its embedded PostgreSQL, for all commands that talk to a running one."""

import functools
from collections.abc import Callable, Iterator

import pytest

from tests.support.command import Answer, run_command
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.postgres import reachable_folder


@pytest.fixture(scope="module")
def served() -> Iterator[ExporterProcess]:
    """It runs for all tests of a file, which find nothing of others in it."""
    with reachable_folder() as folder, running_exporter(folder / "data", None) as process:
        yield process
        process.stop()


@pytest.fixture
def command(served: ExporterProcess) -> Callable[..., Answer]:
    """Runs a command with the settings of the exporter that is served."""
    address = served.url.removeprefix("http://")
    environment = {**served.environment, "BILLING_LISTEN_ADDRESS": address}
    return functools.partial(run_command, served.data_dir, environment)
