"""An Alertmanager for the tests of what reaches it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.alertmanager import AlertmanagerServer, fitting_variant
from tests.support.audience import COMPRESSION, Setup
from tests.support.receivers import Receivers


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    """An Alertmanager with everybody that it may reach."""
    with Receivers() as receivers:
        receivers.configure(tmp_path, compression=COMPRESSION)
        with AlertmanagerServer(tmp_path / "am", tmp_path / fitting_variant()) as server:
            yield server, receivers
