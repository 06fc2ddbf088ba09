"""The file of `--web.config.file`, in the form that Prometheus' exporters share, read strictly."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from exporter.settings.secret import reason
from exporter.settings.strict_yaml import Document, Place, SettingsError

Fault = tuple[Place, str]
DEAREST_BCRYPT_COST = 17
_HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_BCRYPT = re.compile(r"\$2[aby]\$([0-3][0-9])\$[./A-Za-z0-9]{53}")
_MAKE_HASH = """make one with: htpasswd -nBC 10 "" | tr -d ':\\n'"""
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+|0")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
VERSIONS = ("TLS12", "TLS13")
CLIENT_AUTH = ("", "NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
# Go's names of the suites for TLS 1.2, and OpenSSL's.
CIPHERS = {
    f"TLS_ECDHE_{kind}_WITH_{go}": f"ECDHE-{kind}-{openssl}"
    for kind in ("ECDSA", "RSA")
    for go, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
    )
}
# Always on with TLS 1.3, in Go as well.
_TLS13_CIPHERS = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
)
CURVES = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
_INSTEAD = {"cert": "cert_file", "key": "key_file", "client_ca": "client_ca_file"}


class TlsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`tls_server_config`; paths are relative to the file's folder."""

    cert: str = ""
    key: str = ""
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: str = ""
    client_allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "TlsConfig(…)"


class HttpConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`http_server_config`."""

    http2: bool = False
    headers: dict[str, str] = {}


class RateLimit(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`rate_limit`: a request each `interval`, and `burst` of them at once."""

    interval: str = "0"
    burst: int = 0

    @property
    def interval_seconds(self) -> float:
        """0 means that there is no limit."""
        parts = re.findall(r"([0-9.]+)(ms|s|m|h)", self.interval)
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)


class WebConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All of it; `basic_auth_users` are names and bcrypt hashes."""

    tls_server_config: TlsConfig | None = None
    http_server_config: HttpConfig = HttpConfig()
    basic_auth_users: dict[str, str] = {}
    rate_limit: RateLimit = RateLimit()

    def __repr__(self) -> str:
        return "WebConfig(…)"


def read_web_config(path: Path, try_out: Callable[[WebConfig], Iterable[Fault]]) -> WebConfig:
    """The configuration in `path`; `try_out` tells what is wrong with the files that it names.
    Raises SettingsError naming every fault with its line, and no secret.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: can't be read: {reason(error)}.") from None
    document = Document(path, text, private=True)
    config = document.convert(WebConfig, "Mend its value; see docs/security.md.")
    document.check([*_faults(config, document.content)])
    document.check([*try_out(config)])
    return config


def _faults(config: WebConfig, content: dict[Any, Any]) -> Iterator[Fault]:
    if config.tls_server_config is not None:
        given = content.get("tls_server_config")
        for where, what in _tls_faults(config.tls_server_config, given):
            yield ("tls_server_config", *where), what
    if config.http_server_config.http2:
        where = ("http_server_config", "http2")
        yield where, "HTTP/2 is not spoken here. Set it to false or leave it out."
    for name, value in config.http_server_config.headers.items():
        if what := _header_fault(name, value):
            yield ("http_server_config", "headers", name), what
    for user, hashed in config.basic_auth_users.items():
        found = _BCRYPT.fullmatch(hashed)
        if not user or ":" in user:
            yield ("basic_auth_users", user), "a name has at least one character, and no ':'."
        if not found or not 4 <= int(found[1]) <= DEAREST_BCRYPT_COST:
            what = f"must be a bcrypt hash of cost 4 to {DEAREST_BCRYPT_COST}; {_MAKE_HASH}"
            yield ("basic_auth_users", user), what
    yield from _rate_faults(config.rate_limit)


def _rate_faults(limit: RateLimit) -> Iterator[Fault]:
    if not _DURATION.fullmatch(limit.interval):
        yield ("rate_limit", "interval"), "must be a time, as in 1s or 500ms; 0 for no limit."
    elif limit.interval_seconds and limit.burst < 1:
        yield ("rate_limit", "burst"), "must be 1 or more."


def _header_fault(name: str, value: str) -> str:
    if name not in _HEADERS:
        return f"can't be set. Those that can: {', '.join(_HEADERS)}."
    if _HEADERS[name] and value not in _HEADERS[name]:
        return f"must be {' or '.join(_HEADERS[name])}."
    return "" if value.isascii() and value.isprintable() else "must be printable ASCII on one line."


def _tls_faults(tls: TlsConfig, given: Any) -> Iterator[Fault]:
    # What doesn't fit its type was told, and is as if it weren't there.
    named = given if isinstance(given, dict) else {}
    for inline, file in _INSTEAD.items():
        has_inline, has_file = bool(getattr(tls, inline)), bool(getattr(tls, file))
        if has_inline and has_file:
            yield (inline,), f"{inline} and {file} are both set; keep one of them."
        elif inline != "client_ca" and not {inline, file} & named.keys():
            yield (), f"{file} is missing. Name it, or give {inline}."
        elif inline != "client_ca" and not has_inline and not has_file:
            yield (inline if inline in named else file,), "is empty."
    yield from _client_faults(tls)
    yield from _protocol_faults(tls)


def _protocol_faults(tls: TlsConfig) -> Iterator[Fault]:
    for key in ("min_version", "max_version"):
        if getattr(tls, key) not in VERSIONS:
            yield (key,), f"must be {' or '.join(VERSIONS)}; older ones are not safe."
    if (tls.min_version, tls.max_version) == ("TLS13", "TLS12"):
        yield ("max_version",), "is older than min_version."
    for place, name in enumerate(tls.cipher_suites):
        if name not in CIPHERS and name not in _TLS13_CIPHERS:
            yield ("cipher_suites", str(place)), f"{name!r} is not one of {', '.join(CIPHERS)}."
    only_newer = tls.cipher_suites and not CIPHERS.keys() & set(tls.cipher_suites)
    if only_newer and tls.min_version == "TLS12":
        yield ("cipher_suites",), "has none for TLS 1.2; set min_version: TLS13 instead."
    for place, name in enumerate(tls.curve_preferences):
        if name not in CURVES:
            yield ("curve_preferences", str(place)), f"{name!r} is not one of {', '.join(CURVES)}."
    if len(tls.curve_preferences) > 1:
        yield ("curve_preferences",), "only one can be chosen here; leave out the others, or all."


def _client_faults(tls: TlsConfig) -> Iterator[Fault]:
    has_ca = bool(tls.client_ca or tls.client_ca_file)
    verifies = tls.client_auth_type in CLIENT_AUTH[2:]
    if tls.client_auth_type in ("RequestClientCert", "RequireAnyClientCert"):
        what = "takes certificates that nobody vouches for; use RequireAndVerifyClientCert."
        yield ("client_auth_type",), what
    elif tls.client_auth_type not in CLIENT_AUTH:
        yield ("client_auth_type",), f"must be one of {', '.join(CLIENT_AUTH[1:])}."
    elif verifies and not has_ca:
        yield ("client_auth_type",), "needs client_ca_file or client_ca."
    elif has_ca and not verifies:
        place = "client_ca" if tls.client_ca else "client_ca_file"
        yield (place,), "has no effect without client_auth_type: RequireAndVerifyClientCert."
    if tls.client_allowed_sans and tls.client_auth_type != "RequireAndVerifyClientCert":
        yield (
            ("client_allowed_sans",),
            "needs client_auth_type: RequireAndVerifyClientCert.",
        )
