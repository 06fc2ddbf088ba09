"""`--web.config.file` on a running exporter: TLS, basic authentication, headers, reload."""

import http.client
import signal
import socket
import ssl
from pathlib import Path

import bcrypt
import pytest
import requests

from tests.contract.security.conftest import Start
from tests.support.certificates import Authority, rsa_key
from tests.support.command import run_command
from tests.support.exporter import ExporterProcess
from tests.support.secure import SecureExporter
from tests.support.telemetry import payment
from tests.support.waiting import wait_until

TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
ALICE = ("alice", "a password of alice")
HASH = bcrypt.hashpw(ALICE[1].encode(), bcrypt.gensalt(4)).decode()
USERS = f"basic_auth_users:\n  alice: {HASH}\n"
EVENT = {"id": "e1", "object": "event", "type": "charge.updated", "livemode": True}


def address_of(exporter: ExporterProcess) -> tuple[str, int]:
    host, _, port = exporter.url.rpartition("/")[2].rpartition(":")
    return host, int(port)


def served_serial(exporter: ExporterProcess, authority: Authority) -> int:
    """Of the certificate that a new connection is shown, checked by the authority."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    with (
        socket.create_connection(address_of(exporter), 10) as line,
        context.wrap_socket(line, server_hostname="127.0.0.1") as secured,
    ):
        found = secured.getpeercert()
    assert found
    return int(str(found["serialNumber"]), 16)


def successful(exporter: ExporterProcess) -> float:
    scrape = exporter.scrape()
    return scrape.value("billing_config_last_reload_successful", config="web")


def test_every_route_is_behind_tls_and_the_open_ones_behind_a_password(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    authority.issue().write(tmp_path)
    headers = "http_server_config:\n  headers:\n    X-Content-Type-Options: nosniff\n"
    exporter = start(TLS + USERS + headers).wait_ready()
    get = exporter.session.get
    for path in ("/", "/metrics", "/unknown"):
        assert get(exporter.url + path, timeout=5).status_code == 401
        assert get(exporter.url + path, auth=("alice", "wrong"), timeout=5).status_code == 401
        assert get(exporter.url + path, auth=("bob", ALICE[1]), timeout=5).status_code == 401
        assert get(exporter.url + path, auth=ALICE, timeout=5).status_code in (200, 404)
    answers = [
        get(exporter.url + "/-/healthy", timeout=5),
        get(exporter.url + "/-/ready", timeout=5),
        exporter.send_events(payment()),
        exporter.send_stripe({**EVENT, "data": {"object": {"object": "charge", "id": "ch_1"}}}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert exporter.send_events(payment(), key="wrong").status_code == 401
    answers.append(get(exporter.url + "/metrics", auth=ALICE, timeout=5))
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/", "/metrics", "/-/healthy", "/api/v1/events", "/api/webhooks/stripe"):
        with pytest.raises(requests.ConnectionError):
            requests.get(exporter.url.replace("https", "http") + path, timeout=5)


def test_the_commands_reach_an_exporter_behind_tls_and_a_password(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    authority.issue("billing.example.com").write(tmp_path)
    exporter = start(TLS + USERS)
    exporter.session.verify = False
    exporter.wait_listening()
    environment = {
        **exporter.environment,
        "BILLING_LISTEN_ADDRESS": ":".join(map(str, address_of(exporter))),
    }
    wait_until(
        lambda: run_command(tmp_path, environment, "health").returncode == 0, 30, "it is well"
    )
    assert "/-/ready answers 200" in run_command(tmp_path, environment, "doctor").stdout
    Authority("Another").issue().write(tmp_path)
    answer = run_command(tmp_path, environment, "health")
    wait_until(
        lambda: run_command(tmp_path, environment, "health").returncode == 0, 30, "it is read again"
    )
    assert "Traceback" not in answer.stderr


def test_a_version_that_is_too_old_is_refused(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    authority.issue().write(tmp_path)
    exporter = start(TLS + "  min_version: TLS13\n").wait_ready()
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = http.client.HTTPSConnection(*address_of(exporter), timeout=5, context=context)
    with pytest.raises(ssl.SSLError):
        connection.request("GET", "/metrics")
    (tmp_path / "web.yml").write_text(
        TLS + "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"
    )

    def cipher() -> str:
        again = http.client.HTTPSConnection(*address_of(exporter), timeout=5, context=context)
        try:
            again.request("GET", "/metrics")
            assert isinstance(again.sock, ssl.SSLSocket)
            return (again.sock.cipher() or ("",))[0]
        except ssl.SSLError:
            return ""
        finally:
            again.close()

    wait_until(lambda: cipher() == "ECDHE-ECDSA-AES256-GCM-SHA384", 10, "TLS 1.2 is spoken")


def ask_with(
    exporter: ExporterProcess, authority: Authority, client: tuple[Path, Path] | None
) -> int:
    """The status for a client with that certificate; 0 if the connection is refused."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    if client:
        context.load_cert_chain(*client)
    connection = http.client.HTTPSConnection(*address_of(exporter), timeout=5, context=context)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def test_only_clients_with_the_right_certificate_are_served(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    clients = Authority("Clients")
    (tmp_path / "clients.crt").write_bytes(clients.pem)
    authority.issue().write(tmp_path)
    good = clients.issue("prometheus.example.com").write(tmp_path, "good")
    mail = clients.issue(email="ops@example.com").write(tmp_path, "mail")
    other = clients.issue("other.example.com").write(tmp_path, "other")
    strange = authority.issue("prometheus.example.com").write(tmp_path, "strange")
    demands = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n"
    names = "  client_allowed_sans: [prometheus.example.com, ops@example.com]\n"
    exporter = start(TLS + demands + names)
    exporter.wait_listening()
    assert ask_with(exporter, authority, good) == 200
    assert ask_with(exporter, authority, mail) == 200
    for client in (None, other, strange):
        assert ask_with(exporter, authority, client) == 0
    (tmp_path / "clients.crt").write_bytes(Authority("Later clients").pem)
    wait_until(
        lambda: ask_with(exporter, authority, good) == 0, 10, "the old authority counts no more"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tls_server_config:\n  cert_file: server.crt\n", "web.yml:1: tls_server_config: key_file"),
        (TLS + "  key: secret\n", "web.yml:4: tls_server_config.key: key and key_file"),
        (TLS, "web.yml:2: tls_server_config.cert_file: it and its key can't be used together"),
        (
            TLS.replace("server.key", "gone"),
            "web.yml:3: tls_server_config.key_file: the file can't",
        ),
        ("basic_auth_users:\n  alice: canary\n", "web.yml:2: basic_auth_users.alice: must be"),
    ],
)
def test_a_file_that_is_no_good_is_a_refusal_to_start(
    start: Start, tmp_path: Path, authority: Authority, text: str, told: str
) -> None:
    certificate, _ = authority.issue().write(tmp_path)
    (tmp_path / "server.key").write_bytes(authority.issue().key)
    assert certificate.exists()
    exporter = start(text)
    assert exporter.process.wait(30) == 2
    assert told in exporter.log
    assert "canary" not in exporter.log
    assert "Traceback" not in exporter.log


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    authority.issue(password=b"canary").write(tmp_path)
    exporter = start(TLS)
    assert exporter.process.wait(30) == 2
    assert "the key is encrypted" in exporter.log


def test_a_certificate_and_a_key_may_stand_in_the_file_itself(
    start: Start, authority: Authority
) -> None:
    issued = authority.issue()

    def block(name: str, pem: bytes) -> str:
        return f"  {name}: |\n" + "".join(f"    {line}\n" for line in pem.decode().splitlines())

    text = "tls_server_config:\n" + block("cert", issued.certificate) + block("key", issued.key)
    exporter = start(text).wait_ready()
    assert served_serial(exporter, authority) == issued.serial


def rejections(exporter: SecureExporter) -> float:
    return exporter.scrape().value("billing_config_reload_failures_total", config="web")


def test_what_changes_is_read_again_and_what_is_no_good_changes_nothing(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    first = authority.issue()
    first.write(tmp_path)
    exporter = start(TLS).wait_ready()
    assert successful(exporter) == 1
    assert served_serial(exporter, authority) == first.serial

    (tmp_path / "server.crt").write_bytes(authority.issue().certificate)
    wait_until(lambda: successful(exporter) == 0, 10, "the new certificate has no key")
    assert rejections(exporter) == 1
    assert served_serial(exporter, authority) == first.serial
    assert "what was read before stays in force" in exporter.log

    second = authority.issue(key=rsa_key())
    second.write(tmp_path)
    wait_until(lambda: successful(exporter) == 1, 10, "certificate and key fit again")
    assert served_serial(exporter, authority) == second.serial

    (tmp_path / "web.yml").write_text(TLS + "basic_auth_users: [canary]\n")
    wait_until(lambda: successful(exporter) == 0, 10, "the file is no good")
    assert "web.yml:4: basic_auth_users" in exporter.log
    assert exporter.session.get(f"{exporter.url}/metrics", timeout=5).status_code == 200

    (tmp_path / "web.yml").write_text(USERS)
    wait_until(lambda: "tls_server_config can't come or go" in exporter.log, 10, "TLS stays")
    assert exporter.session.get(f"{exporter.url}/metrics", timeout=5).status_code == 200

    (tmp_path / "web.yml").write_text(TLS + USERS)
    wait_until(
        lambda: exporter.session.get(f"{exporter.url}/metrics", timeout=5).status_code == 401,
        10,
        "a password is asked for",
    )
    exporter.session.auth = ALICE
    wait_until(lambda: successful(exporter) == 1, 10, "everything is in force")


def test_sighup_reads_again_what_did_not_change(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    authority.issue().write(tmp_path)
    exporter = start(TLS).wait_ready()
    name = "billing_config_last_reload_success_timestamp_seconds"
    before = exporter.scrape().value(name, config="web")
    exporter.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "read again" in exporter.log, 10, "it is read again")
    assert exporter.process.poll() is None
    assert exporter.scrape().value(name, config="web") > before
