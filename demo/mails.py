"""Takes the mails that Alertmanager sends, and keeps each as a file."""

import email.policy
import itertools
import logging
from collections.abc import Callable
from email.parser import BytesParser
from pathlib import Path
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

# It tells of every line that is no SMTP.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class MailBox:
    """An SMTP server at `address`, HOST:PORT, without TLS or logins. Each mail becomes a file in
    `folder`, and `tell` is called with who gets it, its subject and the file.
    """

    def __init__(self, address: str, folder: Path, tell: Callable[[str, str, Path], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._tell = tell
        self._numbers = itertools.count(len([*folder.glob("*.eml")]) + 1)
        host, _, port = address.rpartition(":")
        self._controller = Controller(self, hostname=host, port=int(port))

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        content = envelope.content or b""
        data = content if isinstance(content, bytes) else content.encode()
        file = self._folder / f"{next(self._numbers):04d}.eml"
        file.write_bytes(data)
        message = BytesParser(policy=email.policy.default).parsebytes(data)
        self._tell(", ".join(envelope.rcpt_tos), str(message["Subject"]), file)
        return "250 OK"
