"""The file of `--web.config.file`: what it may say, and the line of every fault."""

from pathlib import Path

import pytest

from exporter.settings import SettingsError
from exporter.settings.web_config import WebConfig, read_web_config

HASH = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze"
TLS = "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n"


def read(folder: Path, text: str) -> WebConfig:
    (folder / "web.yml").write_text(text)
    return read_web_config(folder / "web.yml", lambda _: ())


def faults(folder: Path, text: str) -> list[str]:
    """The faults, without the path before each."""
    with pytest.raises(SettingsError) as error:
        read(folder, text)
    assert "canary" not in str(error.value)
    return [line.removeprefix(f"{folder / 'web.yml'}:") for line in str(error.value).splitlines()]


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n", "basic_auth_users: {}\n"])
def test_a_file_may_say_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == WebConfig()


def test_everything_at_once_is_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        TLS
        + "  client_ca_file: ca.crt\n"
        + "  client_auth_type: RequireAndVerifyClientCert\n"
        + "  client_allowed_sans: [prometheus.example.com, 10.0.0.1]\n"
        + "  min_version: TLS12\n  max_version: TLS13\n"
        + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n"
        + "  prefer_server_cipher_suites: false\n  curve_preferences: [X25519]\n"
        + "http_server_config:\n  http2: false\n  headers:\n"
        + "    Strict-Transport-Security: max-age=31536000\n    X-Frame-Options: deny\n"
        + f"basic_auth_users:\n  alice: {HASH}\n"
        + "rate_limit:\n  interval: 1m500ms\n  burst: 20\n",
    )
    assert config.tls_server_config is not None
    assert config.tls_server_config.client_allowed_sans == ("prometheus.example.com", "10.0.0.1")
    assert config.basic_auth_users == {"alice": HASH}
    assert config.rate_limit.interval_seconds == 60.5


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tls: {}\n", "1: tls: there is no such key."),
        (TLS + "  cert_fil: x\n", "4: tls_server_config.cert_fil: there is no such key."),
        ("a: [\n", "2: "),
        ("basic_auth_users:\n  a: *canary\n", "2: found undefined alias …."),
        ("basic_auth_users:\n  a: !canary x\n", "2: could not determine"),
        ("basic_auth_users:\n  a: 1\n", "2: basic_auth_users.a: Expected `str`, got `int`."),
        ("basic_auth_users:\n  a: canary\n", "2: basic_auth_users.a: must be a bcrypt hash"),
        (f"basic_auth_users:\n  a: {HASH}.\n", "2: basic_auth_users.a: must be a bcrypt hash"),
        (
            "basic_auth_users:\n  a: " + HASH.replace("$10$", "$31$"),
            "2: basic_auth_users.a: must be a bcrypt hash of cost 4 to 17",
        ),
        (f"basic_auth_users:\n  a: {HASH}\n  a: {HASH}\n", "3: basic_auth_users.a stands twice."),
        (f"basic_auth_users:\n  'a:b': {HASH}\n", "2: basic_auth_users.a:b: a name has"),
        ("tls_server_config: {}\n", "1: tls_server_config: cert_file is missing."),
        ("tls_server_config:\n  cert_file: a\n", "1: tls_server_config: key_file is missing."),
        (TLS.replace("a.key", "''"), "3: tls_server_config.key_file: is empty."),
        (TLS + "  key: canary\n", "4: tls_server_config.key: key and key_file are both set"),
        (TLS + "  min_version: TLS10\n", "4: tls_server_config.min_version: must be TLS12 or"),
        (
            TLS + "  min_version: TLS13\n  max_version: TLS12\n",
            "5: tls_server_config.max_version: is older",
        ),
        (TLS + "  cipher_suites: [X, Y]\n", "4: tls_server_config.cipher_suites: has none"),
        (TLS + "  cipher_suites:\n  - X\n", "4: tls_server_config.cipher_suites: has none"),
        (TLS + "  cipher_suites:\n  - X\n", "5: tls_server_config.cipher_suites.0: 'X' is not"),
        (TLS + "  curve_preferences: [X25519, CurveP256]\n", "4: tls_server_config.curve_prefer"),
        (TLS + "  curve_preferences: [P256]\n", "4: tls_server_config.curve_preferences.0: 'P256'"),
        (TLS + "  client_auth_type: RequireAnyClientCert\n", "4: tls_server_config.client_auth_"),
        (TLS + "  client_auth_type: Some\n", "4: tls_server_config.client_auth_type: must be one"),
        (
            TLS + "  client_auth_type: RequireAndVerifyClientCert\n",
            "4: tls_server_config.client_auth_type: needs client_ca_file",
        ),
        (TLS + "  client_ca_file: x\n", "4: tls_server_config.client_ca_file: has no effect"),
        (TLS + "  client_allowed_sans: [x]\n", "4: tls_server_config.client_allowed_sans: needs"),
        ("http_server_config:\n  http2: true\n", "2: http_server_config.http2: HTTP/2 is not"),
        (
            "http_server_config:\n  headers:\n    Server: x\n",
            "3: http_server_config.headers.Server: can't be set.",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: allow\n",
            "3: http_server_config.headers.X-Frame-Options: must be deny or sameorigin.",
        ),
        (
            'http_server_config:\n  headers:\n    X-XSS-Protection: "a\\r\\nb"\n',
            "3: http_server_config.headers.X-XSS-Protection: must be printable",
        ),
        ("rate_limit:\n  interval: soon\n", "2: rate_limit.interval: must be a time"),
        ("rate_limit:\n  interval: 1s\n", "1: rate_limit.burst: must be 1 or more."),
    ],
)
def test_every_fault_is_told_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    assert any(line.startswith(fault) for line in faults(tmp_path, text)), faults(tmp_path, text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"web\.yml: can't be read: No such file"):
        read_web_config(tmp_path / "web.yml", lambda _: ())


def test_what_is_wrong_with_the_files_it_names_has_its_line_too(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(TLS)
    with pytest.raises(SettingsError, match=r"web\.yml:3: tls_server_config\.key_file: is gone\."):
        read_web_config(
            tmp_path / "web.yml", lambda _: [(("tls_server_config", "key_file"), "is gone.")]
        )


def test_it_never_shows_itself(tmp_path: Path) -> None:
    config = read(tmp_path, f"basic_auth_users:\n  alice: {HASH}\n")
    assert HASH not in repr(config) + str(config)
