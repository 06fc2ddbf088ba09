"""Development secrets: made on first use, kept in the data folder."""

import contextlib
import os
import secrets
from pathlib import Path

from exporter.settings import Secret, Settings
from exporter.wiring import Keys

ADMIN_KEY_FILE = "admin.key"
WEBHOOK_SECRET_FILE = "stripe-webhook.secret"  # noqa: S105 - a file's name


def find_keys(settings: Settings) -> Keys:
    """The configured secrets, or in development those of the data folder."""
    if not settings.development:
        return Keys(settings.admin_key, settings.stripe_webhook_secrets)
    return Keys(
        _read_or_make(settings.data_dir / ADMIN_KEY_FILE, ""),
        (_read_or_make(settings.data_dir / WEBHOOK_SECRET_FILE, "whsec_"),),
    )


def _read_or_make(path: Path, prefix: str) -> Secret:
    if not path.exists():
        # Written aside and linked: a kill leaves no half a secret, two starts agree on one.
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(prefix + secrets.token_hex(32) + "\n")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return Secret(path.read_text().strip())
