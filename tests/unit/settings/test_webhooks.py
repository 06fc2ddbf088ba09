"""Addresses that alerts are posted to: read alone, checked, and never shown."""

from pathlib import Path

import pytest

from exporter.settings import SettingsError, load_webhooks


@pytest.mark.parametrize("name", ["CUSTOM_WEBHOOKS", "BILLING_HEARTBEAT_URL"])
@pytest.mark.parametrize(
    "address",
    [
        "canary",
        "ftp://example.com/canary",
        "https:///canary",
        "https://example.com:0/canary",
        "https://example.com:x/canary",
        "https://[::1/canary",
        "https://example.com/canary hook",
        "https://example.com\\@canary.example.com/",
        "https://exämple.com/canary",
    ],
)
def test_an_address_that_can_not_be_posted_to_is_a_fault(
    tmp_path: Path, name: str, address: str
) -> None:
    with pytest.raises(SettingsError) as error:
        load_webhooks({name: address}, tmp_path)
    fault = str(error.value)
    assert "canary" not in fault
    assert fault.startswith(f"{name}: address 1 is no https address, as in ")


def test_webhooks_are_read_without_any_other_setting(tmp_path: Path) -> None:
    (tmp_path / "hooks").write_text("https://a.example.com/1\nhttps://b.example.com/2\n")
    (tmp_path / ".env").write_text("BILLING_HEARTBEAT_URL=https://c.example.com/\n")
    webhooks = load_webhooks({"CUSTOM_WEBHOOKS_FILE": "hooks", "DATABASE_URL": ""}, tmp_path)
    assert webhooks.custom.reveal_all() == ("https://a.example.com/1", "https://b.example.com/2")
    assert webhooks.heartbeat.reveal() == "https://c.example.com/"
    assert "example.com" not in repr(webhooks)
    with pytest.raises(SettingsError, match="CUSTOM_WEBHOOKS is set and empty"):
        load_webhooks({"CUSTOM_WEBHOOKS": " "}, tmp_path)
