"""Development secrets: made on first use, kept in the data folder."""

import contextlib
import os
import secrets
from functools import partial
from pathlib import Path

from exporter.cli.redaction import protect_stderr
from exporter.errors import BillingError
from exporter.settings import Secret, SecretFile, Settings, SettingsError, split_secret
from exporter.wiring import Keys

ADMIN_KEY_FILE = "admin.key"
WEBHOOK_SECRET_FILE = "stripe-webhook.secret"  # noqa: S105 - a file's name


def find_keys(settings: Settings) -> Keys:
    """The configured secrets, or in development those of the data folder. Raises BillingError and
    OSError.
    """
    if not settings.development:
        return Keys(settings.admin_key, settings.stripe_webhook_secret, settings.secret_files)
    admin_key = _read_or_make(settings.data_dir / ADMIN_KEY_FILE, "")
    webhook_secret = _read_or_make(settings.data_dir / WEBHOOK_SECRET_FILE, "whsec_")
    for made in (admin_key, webhook_secret):
        protect_stderr().learn(made.secret.reveal_all)
    files = (*settings.secret_files, admin_key, webhook_secret)
    return Keys(admin_key.secret, webhook_secret.secret, files)


def _read_or_make(path: Path, prefix: str) -> SecretFile:
    if not path.exists():
        # Written aside and linked: a kill leaves no half a secret, two starts agree on one.
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(prefix + secrets.token_hex(32) + "\n")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    accept = partial(split_secret, path.name, several=True)
    file_of_secret = SecretFile(f"{path.name} of the data folder", path, Secret(), accept)
    try:
        file_of_secret.load()
    except SettingsError as error:
        raise BillingError(f"{error} Or remove {path}: another one is made then.") from None
    return file_of_secret
