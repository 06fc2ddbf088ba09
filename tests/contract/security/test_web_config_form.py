"""The web configuration has the form that Prometheus' own tool accepts, and shows in the docs."""

import re
import subprocess
from pathlib import Path

import bcrypt
import pytest

from exporter.settings import SettingsError
from exporter.web.web_file import WebFile
from tests.contract.security.conftest import Start
from tests.support.certificates import Authority
from tests.support.prometheus import PrometheusServer
from tests.support.tools import find_tool
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
HASH = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze"


def documented() -> str:
    """The example in docs/security.md."""
    text = (PROJECT / "docs" / "security.md").read_text()
    (shown,) = re.findall(r"```yaml\n(tls_server_config:.*?)```", text, re.DOTALL)
    return str(shown)


def accepted(path: Path) -> tuple[bool, bool]:
    """Whether promtool takes the file, and whether the exporter does."""
    command = [find_tool("promtool"), "check", "web-config", path]
    answer = subprocess.run(command, check=False, capture_output=True)
    try:
        WebFile(path)
    except SettingsError:
        return answer.returncode == 0, False
    return answer.returncode == 0, True


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (documented(), True),
        (TLS, True),
        (TLS + "  min_version: TLS13\n", True),
        (
            TLS + "  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n",
            True,
        ),
        (TLS + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n", True),
        (TLS + "  curve_preferences: [CurveP384]\n", True),
        (TLS + "  prefer_server_cipher_suites: false\n", True),
        (f"basic_auth_users:\n  alice: {HASH}\n", True),
        ("http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n", True),
        (TLS + "  cert_fil: x\n", False),
        (TLS + "  min_version: TLS14\n", False),
        (TLS + "  cipher_suites: [NONE]\n", False),
        (TLS + "  curve_preferences: [NONE]\n", False),
        (TLS.replace("server.key", "gone.key"), False),
        (TLS + "  client_ca_file: ca.crt\n", False),
        ("basic_auth_users:\n  alice: plain\n", False),
        ("http_server_config:\n  headers:\n    X-Frame-Options: never\n", False),
        ("http_server_config:\n  headers:\n    Server: x\n", False),
        ("users: {}\n", False),
    ],
)
def test_what_prometheus_takes_is_taken(tmp_path: Path, text: str, good: bool) -> None:
    authority = Authority()
    authority.issue().write(tmp_path)
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (tmp_path / "web.yml").write_text(text)
    assert accepted(tmp_path / "web.yml") == (good, good)


def test_prometheus_scrapes_behind_tls_and_a_password(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    authority.issue().write(tmp_path)
    hashed = bcrypt.hashpw(b"a password", bcrypt.gensalt(10)).decode()
    exporter = start(f"{TLS}basic_auth_users:\n  prometheus: {hashed}\n").wait_ready()
    job = {
        "scheme": "https",
        "tls_config": {"ca_file": str(tmp_path / "authority.crt")},
        "basic_auth": {"username": "prometheus", "password": "a password"},
    }
    target = exporter.url.removeprefix("https://")
    with PrometheusServer(tmp_path / "prometheus", target, job) as prometheus:
        wait_until(
            lambda: prometheus.query("billing_ready == 1") and prometheus.query("up == 1"),
            30,
            "it is scraped",
        )
