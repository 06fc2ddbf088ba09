"""ALERTMANAGER_URL: several addresses, in which a password may stand and is never quoted."""

from pathlib import Path

import pytest

from exporter.settings import SettingsError, load
from exporter.settings.checks import read_urls


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", ()),
        ("http://127.0.0.1:9093", ("http://127.0.0.1:9093",)),
        (
            " https://a.example/am , http://[::1]:9093/, ",
            ("https://a.example/am", "http://[::1]:9093/"),
        ),
        ("http://ops:a%2Fb%2Cc%40d@a:1", ("http://ops:a%2Fb%2Cc%40d@a:1",)),
    ],
)
def test_addresses_are_taken_as_they_are(tmp_path: Path, text: str, urls: tuple[str, ...]) -> None:
    assert load({"ALERTMANAGER_URL": text}, tmp_path).alertmanager_urls == urls


@pytest.mark.parametrize(
    "bad",
    [
        "canary",
        "canary:9093",
        "//canary:9093",
        "ftp://canary",
        "http:///canary",
        "http://canary:0",
        "http://canary:65536",
        "http://canary:x",
        "http://canary/?q",
        "http://canary/#f",
        "http://[canary",
        "http://canary\x07",
        "http://can ary",
        "http://c\u00e4nary",
        "http://ops:canary/b@a:9093",
    ],
)
def test_what_is_no_address_is_named_by_its_place(tmp_path: Path, bad: str) -> None:
    with pytest.raises(SettingsError) as error:
        load({"ALERTMANAGER_URL": f"http://good:9093,{bad}"}, tmp_path)
    (fault,) = str(error.value).splitlines()
    assert fault.startswith("ALERTMANAGER_URL: address 2 isn't one of an Alertmanager")
    assert "%40" in fault
    assert "nary" not in fault
    faults: list[str] = []
    read_urls("ALERTMANAGER_URL", {"ALERTMANAGER_URL": f"{bad},{bad}"}, faults)
    assert len(faults) == 2
