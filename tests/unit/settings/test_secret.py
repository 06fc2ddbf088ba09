"""Secrets in files: read again when they change, and kept when the file is no good."""

import base64
import os
from pathlib import Path

import pytest

from exporter.settings import SettingsError, decoded, load

KEY = "an-admin-key-of-some-length"
WEBHOOK = "whsec_canary"


def put(path: Path, text: str) -> None:
    """Replace the file as a careful program does."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{WEBHOOK}1\n")
    return path


def settings_of(path: Path) -> dict[str, str]:
    return {"BILLING_ADMIN_KEY": KEY, "STRIPE_WEBHOOK_SECRET_FILE": str(path)}


def test_a_secret_is_another_once_its_file_is(path: Path, tmp_path: Path) -> None:
    settings = load(settings_of(path), tmp_path)
    (file,) = settings.secret_files
    assert file.reload(force=False) is None
    put(path, f"{WEBHOOK}2\n{WEBHOOK}1\n")
    assert file.reload(force=False) is True
    assert settings.stripe_webhook_secret.reveal_all() == (f"{WEBHOOK}2", f"{WEBHOOK}1")
    assert file.reload(force=False) is None


def test_a_link_that_leads_elsewhere_is_noticed(tmp_path: Path) -> None:
    """As Kubernetes mounts a Secret: the file is a link through `..data`, which is swapped."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_text(f"{WEBHOOK}{name}")
        os.utime(tmp_path / name / "secret", (1, 1))
    (tmp_path / "..data").symlink_to("old")
    (tmp_path / "secret").symlink_to("..data/secret")
    settings = load(settings_of(tmp_path / "secret"), tmp_path)
    (tmp_path / "..swap").symlink_to("new")
    (tmp_path / "..swap").replace(tmp_path / "..data")
    assert settings.secret_files[0].reload(force=False) is True
    assert settings.stripe_webhook_secret.reveal() == f"{WEBHOOK}new"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b" \n", "is empty"),
        (b"\xff", "isn't UTF-8"),
        (None, "No such file"),
        (b"whsec_canary,,whsec_canary2", "an empty part between its commas"),
    ],
)
def test_a_file_that_is_no_good_leaves_the_old_secret_in_force(
    path: Path, tmp_path: Path, content: bytes | None, told: str
) -> None:
    settings = load(settings_of(path), tmp_path)
    (file,) = settings.secret_files
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=told) as error:
        file.reload(force=False)
    assert "canary" not in str(error.value)
    assert settings.stripe_webhook_secret.reveal_all() == (f"{WEBHOOK}1",)
    assert file.reload(force=False) is None, "it is told once"
    path.write_text(f"{WEBHOOK}1")
    assert file.reload(force=False) is False, "it was read, and says the same as before"


def test_when_forced_an_unchanged_file_is_read_too(path: Path, tmp_path: Path) -> None:
    (file,) = load(settings_of(path), tmp_path).secret_files
    assert file.reload(force=True) is False


@pytest.mark.parametrize(
    ("name", "first", "bad"),
    [
        ("BILLING_ADMIN_KEY", KEY, "canary-short"),
        ("DATABASE_URL", "postgresql://host/name", "postgresql://canary:a@b@host/name"),
        ("STRIPE_SECRET_KEY", "sk_live_1", "sk_test_canary"),
        ("BILLING_ENCRYPTION_KEY", base64.b64encode(bytes(32)).decode(), "canary"),
    ],
)
def test_what_could_not_be_used_at_the_start_can_not_be_used_later(
    path: Path, tmp_path: Path, name: str, first: str, bad: str
) -> None:
    path.write_text(first)
    given = {"BILLING_ADMIN_KEY": KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK, f"{name}_FILE": str(path)}
    given.pop(name, None)
    (file,) = load(given, tmp_path).secret_files
    put(path, bad)
    with pytest.raises(SettingsError, match=name) as error:
        file.reload(force=False)
    assert "canary" not in str(error.value)
    assert file.secret.reveal() == first


def test_encryption_keys_are_decoded_again_when_they_are_replaced(
    path: Path, tmp_path: Path
) -> None:
    keys = [bytes([number] * 32) for number in (1, 2)]
    texts = [base64.b64encode(key).decode() for key in keys]
    path.write_text(texts[0])
    given = {"BILLING_ENCRYPTION_KEY_FILE": str(path)}
    settings = load(given, tmp_path)
    now = decoded(settings.encryption_key)
    assert now() == (keys[0],)
    assert now() is now()
    put(path, f"{texts[1]}\n{texts[0]}\n")
    settings.secret_files[0].reload(force=False)
    assert now() == (keys[1], keys[0])
