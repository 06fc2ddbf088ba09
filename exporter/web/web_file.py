"""The web configuration that is in force, and its file, which is read again when it changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

from exporter.settings import SettingsError, Signature, signature
from exporter.settings.web_config import Fault, WebConfig, read_web_config
from exporter.web.basic_auth import Passwords
from exporter.web.rate_limit import Bucket
from exporter.web.tls import ReplaceableContext, TlsFault, make_context, tls_files

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class InForce:
    """What one reading of the file came to; replaced as a whole."""

    config: WebConfig
    passwords: Passwords | None
    bucket: Bucket | None
    headers: Headers


class WebFile:
    """The file of `--web.config.file`. `context` is for the server, if there is TLS: it changes
    with the file and with the certificates that the file names.
    """

    config = "web"
    setting = "BILLING_WEB_CONFIG_FILE"

    def __init__(self, path: Path) -> None:
        """Reads it. Raises SettingsError with every fault and its line."""
        self._path = path
        self._watched: tuple[Path, ...] = (path,)
        self._seen: tuple[Signature | None, ...] = ()
        config, context = self._read()
        self.context = ReplaceableContext.of(context) if context else None
        self.in_force = _enforce(config, None)

    def reload(self, *, force: bool) -> bool | None:
        """Read it again if it or one of its files changed, or with `force`: whether it holds
        something else, None if it was not read. Raises SettingsError, and all stays as it was.
        """
        if not force and self._look() == self._seen:
            return None
        config, context = self._read()
        if context and self.context:
            self.context.current = context
        elif context or self.context:
            raise SettingsError(
                f"{self._path}: tls_server_config can't come or go while the exporter runs. "
                "Start it again."
            )
        changed = config != self.in_force.config or context is not None
        self.in_force = _enforce(config, self.in_force)
        return changed

    def _look(self) -> tuple[Signature | None, ...]:
        return tuple(map(signature, self._watched))

    def _read(self) -> tuple[WebConfig, SSLContext | None]:
        self._seen = self._look()
        made: list[SSLContext] = []

        def try_out(config: WebConfig) -> Iterator[Fault]:
            tls = config.tls_server_config
            if tls is None:
                self._watch(())
                return
            self._watch(tls_files(tls, self._path.parent))
            try:
                made.append(make_context(tls, self._path.parent))
            except TlsFault as fault:
                yield ("tls_server_config", fault.key), fault.what

        config = read_web_config(self._path, try_out)
        return config, made[0] if made else None

    def _watch(self, files: tuple[Path, ...]) -> None:
        """From now on these too, which are read next."""
        if self._watched != (self._path, *files):
            self._watched = (self._path, *files)
            self._seen = (*self._seen[:1], *map(signature, files))


def _enforce(config: WebConfig, before: InForce | None) -> InForce:
    """What follows from a configuration; passwords that were checked need not be again."""
    users, limit = config.basic_auth_users, config.rate_limit
    if before and before.config.basic_auth_users == users:
        passwords = before.passwords
    else:
        passwords = Passwords(users) if users else None
    if before and before.config.rate_limit == limit:
        bucket = before.bucket
    else:
        bucket = Bucket(limit.interval_seconds, limit.burst) if limit.interval_seconds else None
    given = config.http_server_config.headers.items()
    headers = [(name.lower().encode(), value.encode()) for name, value in given if value]
    return InForce(config, passwords, bucket, headers)
