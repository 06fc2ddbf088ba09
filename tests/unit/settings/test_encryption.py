"""Encryption keys: 32 bytes of base64 each, or a refusal with the remedy and without the key."""

import base64
import re
from pathlib import Path

import pytest

from exporter.settings import SettingsError, decoded, load, read_encryption_keys

ONE = base64.b64encode(b"1" * 32).decode()
TWO = base64.b64encode(bytes(range(32))).decode()
SETUP = {"BILLING_ADMIN_KEY": "x" * 16, "STRIPE_WEBHOOK_SECRET": "whsec_1"}


def test_several_keys_are_read_in_their_order() -> None:
    assert read_encryption_keys(f" {ONE} , {TWO}\n") == (b"1" * 32, bytes(range(32)))
    assert read_encryption_keys("") == ()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("not base64!", "key 1 is not base64"),
        (f"{ONE},{TWO[:-4]}", "key 2 has 30 bytes; 32 are needed"),
        (base64.b64encode(b"2" * 33).decode(), "key 1 has 33 bytes"),
        (f"{ONE},", "empty part between its commas; remove it"),
        ("ключ", "key 1 is not base64"),
        (f"{ONE},{ONE}", "the same key twice"),
    ],
)
def test_anything_else_refuses_to_start_and_never_shows_the_key(
    tmp_path: Path, value: str, reason: str
) -> None:
    with pytest.raises(SettingsError, match=reason) as refused:
        load({**SETUP, "BILLING_ENCRYPTION_KEY": value}, tmp_path)
    told = str(refused.value)
    assert re.search(r"openssl rand -base64 32|remove (one|it)", told)
    assert value.split(",", maxsplit=1)[0] not in told


def test_keys_come_from_a_file_as_well(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{TWO},{ONE}\n")
    settings = load({**SETUP, "BILLING_ENCRYPTION_KEY_FILE": "keys"}, tmp_path)
    assert decoded(settings.encryption_key)() == (bytes(range(32)), b"1" * 32)
    assert ONE not in repr(settings)
