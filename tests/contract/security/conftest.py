"""Certificates, and exporters behind TLS."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.secure import SecureExporter

Start = Callable[..., SecureExporter]


@pytest.fixture(scope="session")
def authority() -> Authority:
    """What signs every server's certificate."""
    return Authority()


@pytest.fixture
def start(tmp_path: Path, database_url: str, authority: Authority) -> Iterator[Start]:
    """Starts exporters with a web configuration: `start(text)`; its files are in tmp_path."""
    (tmp_path / "authority.crt").write_bytes(authority.pem)
    with ExitStack() as stack:

        def begin(web_config: str, **settings: str) -> SecureExporter:
            (tmp_path / "web.yml").write_text(web_config)
            settings["BILLING_WEB_CONFIG_FILE"] = str(tmp_path / "web.yml")
            return stack.enter_context(
                SecureExporter(
                    tmp_path / "main", database_url, settings, tmp_path / "authority.crt"
                )
            )

        yield begin
