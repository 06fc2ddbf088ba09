"""TLS contexts from the web configuration, and one that a running server changes."""

import ipaddress
import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from exporter.settings.secret import reason
from exporter.settings.web_config import CIPHERS, CURVES, TlsConfig

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY = {
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class TlsFault(Exception):
    """What `key` of tls_server_config names can't be used; quotes nothing of the files."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"{key}: {what}")
        self.key = key
        self.what = what


class ReplaceableContext(ssl.SSLContext):
    """The context that a server is given once: each new connection is made by `current`, with its
    certificates, versions and demands, and keeps it as long as it lasts.
    """

    current: ssl.SSLContext

    @classmethod
    def of(cls, current: ssl.SSLContext) -> "ReplaceableContext":
        """One that begins with `current`."""
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made.current = current
        return made

    def wrap_bio(self, *arguments: Any, **more: Any) -> ssl.SSLObject:
        """What asyncio and uvloop make each connection with."""
        return self.current.wrap_bio(*arguments, **more)


def make_context(config: TlsConfig, folder: Path) -> ssl.SSLContext:
    """A server's context; paths in `config` are relative to `folder`. Blocks. Raises TlsFault."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    context.maximum_version = _VERSIONS[config.max_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if config.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if names := [CIPHERS[name] for name in config.cipher_suites if name in CIPHERS]:
        context.set_ciphers(":".join(names))
    if config.curve_preferences:
        context.set_ecdh_curve(CURVES[config.curve_preferences[0]])
    _load_chain(context, config, folder)
    if config.client_auth_type in _VERIFY:
        _load_client_ca(context, config, folder)
        context.verify_mode = _VERIFY[config.client_auth_type]
    if config.client_allowed_sans:
        context.sslobject_class = _demanding(config.client_allowed_sans)
    return context


def tls_files(config: TlsConfig, folder: Path) -> tuple[Path, ...]:
    """The files that it names."""
    names = (config.cert_file, config.key_file, config.client_ca_file)
    return tuple(folder / name for name in names if name)


def read_certificate(config: TlsConfig, folder: Path) -> bytes:
    """The server's own certificate chain, in PEM. Raises TlsFault."""
    return _read("cert_file", config.cert, folder, config.cert_file)


def _load_chain(context: ssl.SSLContext, config: TlsConfig, folder: Path) -> None:
    certificate = read_certificate(config, folder)
    key = _read("key_file", config.key, folder, config.key_file)
    with _as_file(certificate) as certificate_path, _as_file(key) as key_path:
        try:
            context.load_cert_chain(certificate_path, key_path, password=_refuse_password)
        except (ssl.SSLError, ValueError) as error:
            why = str(getattr(error, "reason", None) or error).lower().replace("_", " ")
            raise TlsFault(
                "cert_file",
                f"it and its key can't be used together: {why}. Give PEM: the chain that begins "
                "with the server's certificate, and its key.",
            ) from None


def _load_client_ca(context: ssl.SSLContext, config: TlsConfig, folder: Path) -> None:
    authority = _read("client_ca_file", config.client_ca, folder, config.client_ca_file)
    try:
        context.load_verify_locations(cadata=authority.decode("ascii"))
    except (ssl.SSLError, ValueError):
        what = "holds no certificate that can be read. Give PEM."
        raise TlsFault("client_ca_file", what) from None


def _read(key: str, inline: str, folder: Path, name: str) -> bytes:
    if inline:
        return inline.encode()
    try:
        return (folder / name).read_bytes()
    except (OSError, ValueError) as error:
        raise TlsFault(key, f"the file can't be read: {reason(error)}.") from None


def _refuse_password() -> NoReturn:
    raise ValueError("the key is encrypted")


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path that OpenSSL reads from memory: a key that stands in the configuration is never
    written to a disk.
    """
    descriptor = os.memfd_create("tls")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _demanding(allowed: Sequence[str]) -> type[ssl.SSLObject]:
    """Connections that end in the handshake unless the client's certificate is for one of these."""
    wanted = {_plain(name) for name in allowed}

    class Demanding(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            names: Any = (self.getpeercert() or {}).get("subjectAltName", ())
            if not any(_plain(str(name)) in wanted for _, name in names):
                raise ssl.SSLCertVerificationError(
                    "The client's certificate is not for a name in client_allowed_sans."
                )

    return Demanding


def _plain(name: str) -> str:
    """The name; an address in the one way of writing it."""
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name
