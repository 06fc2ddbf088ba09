"""The page about deployment: each command does what it says, but for those that need an engine."""

import configparser
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from exporter.catalogue.book import METRICS
from exporter.cli.verification import alertmanagers, exporters, ledger
from exporter.exposition import Exposition
from exporter.ledger.backup import read_manifest
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.ports import find_free_port
from tests.e2e.test_verify import AT_FIRST
from tests.support.compose import SECRETS, mounts
from tests.support.database import new_database
from tests.support.password_role import make_role, url_of
from tests.support.scrape import parse
from tests.support.stripe import WEBHOOK_SECRET
from tests.support.tools import find_tool
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

PAGE = (PROJECT / "docs" / "deployment.md").read_text()
README = (PROJECT / "README.md").read_text()
# Commands that only an engine can run, by how their block begins. tests/e2e/test_image.py and
# tests/contract/test_compose.py look at what they are given.
NEED_AN_ENGINE = {
    "docker build": "carries out image/Dockerfile",
    "docker run": "runs the image",
    "docker compose up --detach --wait\n": "starts compose.yaml",
    "docker compose up --detach --wait --force-recreate": "makes containers of it anew",
    "docker compose up --detach --wait --build": "starts another version",
    "docker compose down": "stops them",
    "docker compose exec": "runs verify in a container of it",
    "docker compose run": "runs a container of it once more",
}
# The files that run the others.
TESTS = ("test_deployment_docs.py", "test_own_compose.py")
# The environment of the tests stands for what this one makes.
INSTALLING = "python3 -m venv"
MOUNTED = "/etc/billing-exporter/billing.yml"
PASSWORD = "a-password-of-the-page"


def blocks(kind: str, page: str = PAGE) -> list[str]:
    """The blocks of code of that kind, without the indentation of a list."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^\1```$", page, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for _, text in found]


def block(start: str) -> str:
    """The one that begins so."""
    (found,) = [text for text in blocks("sh") if text.startswith(start)]
    return found


class Checkout:
    """A folder with what the page's commands expect around them; `ports` replaces those on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"9568": str(find_free_port()), "9569": str(find_free_port())}
        shutil.copy(PROJECT / "Makefile", folder)
        shutil.copytree(PROJECT / "tools", folder / "tools")
        for name in ("venv", ".venv"):
            (folder / name).symlink_to(Path(sys.executable).parents[1])
        for name in ("demo/config", "rules/generated"):
            shutil.copytree(PROJECT / name, folder / name)

    def environment(self) -> dict[str, str]:
        listening = f"127.0.0.1:{self.ports['9568']}"
        programs = os.pathsep.join((str(self.folder / "venv" / "bin"), os.defpath))
        return {"PATH": programs, "BILLING_LISTEN_ADDRESS": listening}

    def command(self, script: str) -> list[str]:
        for usual, free in self.ports.items():
            script = script.replace(f":{usual}", f":{free}")
        return ["/bin/bash", "-euc", script]

    def run(self, script: str, **settings: str) -> str:
        """What a block writes, which has to end well."""
        done = subprocess.run(
            self.command(script),
            cwd=self.folder,
            env=self.environment() | settings,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def running(self, script: str, *ports: str) -> Iterator[subprocess.Popen[bytes]]:
        """A block that goes on, once it takes events at these ports of the page."""
        process = subprocess.Popen(
            self.command(script), cwd=self.folder, env=self.environment(), start_new_session=True
        )
        try:
            for port in ports:
                wait_until(lambda at=port: self.is_ready(at), 30, f"{port} is ready")
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)

    def is_ready(self, port: str) -> bool:
        try:
            return requests.get(self.url(port, "/-/ready"), timeout=5).ok
        except requests.ConnectionError:
            return False

    def url(self, port: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def payments(self, port: str) -> float:
        text = requests.get(self.url(port, "/metrics"), timeout=10).text
        return parse(text).total("billing_payment_processed_total")


@pytest.fixture(scope="module")
def database_url(postgres: EmbeddedServer) -> Iterator[str]:
    with new_database(postgres) as conninfo:
        yield url_of(conninfo, make_role(postgres, PASSWORD), PASSWORD)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Checkout:
    """After the commands about secrets, with a database and a key that there are."""
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    checkout.run(block("umask 077"))
    own = [checkout.folder / name for name in ("admin.key", "database.url", "webhook.secret")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in own} == {0o600}
    assert re.fullmatch("[0-9a-f]{64}", own[0].read_text())
    checkout.run(block("make secrets"))
    # As an operator may have it, who wants nobody else to read anything.
    checkout.run("umask 077\n" + block("echo whsec_NEW"))
    made = checkout.folder / ".secrets" / "exporter"
    assert (made / "stripe-webhook-secret").read_text() == "whsec_NEW\n"
    assert stat.S_IMODE((made / "stripe-webhook-secret").stat().st_mode) == 0o444
    for file, text in zip(
        own, ((made / "admin-key").read_text(), database_url, WEBHOOK_SECRET), strict=True
    ):
        file.write_text(text)
    return checkout


def test_every_command_is_run_or_needs_an_engine() -> None:
    engine = [text for text in blocks("sh") if text.startswith(tuple(NEED_AN_ENGINE))]
    assert len(engine) == len(NEED_AN_ENGINE)
    assert all(line.startswith(("docker ", " ")) for text in engine for line in text.splitlines())
    sources = [Path(__file__).with_name(name).read_text() for name in TESTS]
    run_there = re.findall(r"\bblock\(\"(.+?)\"\)", "".join(sources))
    others = [text for text in blocks("sh") if text not in engine]
    assert [text for text in others if not text.startswith((*run_there, INSTALLING))] == []


def test_the_page_installs_as_the_image_is_installed() -> None:
    """tests/e2e/test_image.py carries that out."""
    dockerfile = (PROJECT / "image" / "Dockerfile").read_text().replace("\\\n", " ")
    (ours,) = re.findall(r"pip install (.+) \.$", block(INSTALLING), re.MULTILINE)
    assert ours == "--only-binary :all: --constraint constraints.txt"
    assert f'install {ours} wheel/*.whl "billing-exporter[redis]"' in " ".join(dockerfile.split())


def test_a_plain_process_serves_is_backed_up_and_gets_a_new_key(checkout: Checkout) -> None:
    folder = checkout.folder
    with checkout.running(block("export BILLING_DATA_DIR=data"), "9568") as process:
        before = checkout.payments("9568")
        assert json.loads(checkout.run(block("curl --fail")))["accepted"] == 1
        assert checkout.payments("9568") == before + 1
        give_new_key(checkout)
        (folder / ".secrets" / "exporter" / "database-url").unlink()
        shutil.copy(folder / "database.url", folder / ".secrets" / "exporter" / "database-url")
        backup = block("export DATABASE_URL_FILE=.secrets")
        checkout.run(backup)
        kept = read_manifest(folder / "ledger.backup").files
        assert kept["demo/config/billing.yml"] == mounts("exporter")[MOUNTED].read_text()
        for file in mounts("prometheus")["/etc/prometheus/rules"].glob("*.rules.yml"):
            assert kept[f"rules/generated/{file.name}"] == file.read_text()
        assert "demo/config/alertmanager/alertmanager.yml" in kept
        process.terminate()
        assert process.wait(30) == 0


def give_new_key(checkout: Checkout) -> None:
    """Two rotations of Alertmanager's key: the second one revokes what the first one made."""
    script = block("billing-exporter keys create")
    script = script.replace("/etc/alertmanager/secrets/", f"{checkout.folder}/")
    settings = {
        "DATABASE_URL_FILE": "database.url",
        "BILLING_ADMIN_KEY_FILE": "admin.key",
        "STRIPE_WEBHOOK_SECRET_FILE": "webhook.secret",
    }
    *making, revoking = script.strip().splitlines()
    old = re.findall(r"\S+", checkout.run("\n".join(making), **settings).splitlines()[-1])[0]
    assert old in checkout.run(revoking.replace("KEY_ID", old), **settings)
    assert "revoked" in checkout.run(making[-1], **settings)
    assert len((checkout.folder / "exporter-key").read_text().split()) == 1


def test_two_replicas_count_what_is_sent_to_both_once(checkout: Checkout) -> None:
    both = block("export DATABASE_URL_FILE=database.url")
    event = block("curl --fail").replace('"first"', '"of-two"')
    with checkout.running(f"{both}wait", "9568", "9569"):
        before = checkout.payments("9568") + checkout.payments("9569")
        for port in ("9568", "9569"):
            checkout.run(event.replace(":9568", f":{port}"))
        assert checkout.payments("9568") + checkout.payments("9569") == before + 1
    assert {file.name for file in checkout.folder.glob("data-*")} == {"data-a", "data-b"}


@pytest.mark.parametrize(
    "shown",
    [
        text
        for text in (*blocks("yaml"), *blocks("yaml", README))
        if text.startswith(("scrape_configs:", "global:"))
    ],
    ids=["scrapes", "remote_write", "README"],
)
def test_what_prometheus_is_told_is_good(shown: str, tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(shown)
    answer = subprocess.run(
        [find_tool("promtool"), "check", "config", file],
        check=False,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr


def test_what_is_written_elsewhere_has_every_metric_in_whatever_namespace() -> None:
    (remote,) = yaml.safe_load(blocks("yaml")[-1])["remote_write"]
    (keep,) = remote["write_relabel_configs"]
    assert keep["action"] == "keep"
    for namespace in ("", "acme", "stripes_of_acme"):
        names = [Exposition(namespace).name(metric) for metric in METRICS]
        names += ["up", "scrape_duration_seconds", "ALERTS", "ALERTS_FOR_STATE"]
        assert [name for name in names if not re.fullmatch(keep["regex"], name)] == []
    for other in ("node_load1", "prometheus_build_info", "startup_seconds"):
        assert not re.fullmatch(keep["regex"], other)


def test_the_images_user_can_read_its_secrets_and_others_get_to_none(checkout: Checkout) -> None:
    checkout.run(block("install -d -m 700"))
    private = checkout.folder / "private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    # It may pass without seeing what else is there.
    assert stat.S_IMODE((private / "secrets").stat().st_mode) == 0o711
    run = block("docker run")
    assert f'"$PWD/private/secrets:{SECRETS}:ro"' in run
    for name in re.findall(rf"_FILE={SECRETS}/(\S+)", run):
        assert stat.S_IMODE((private / "secrets" / name).stat().st_mode) == 0o444


def test_the_noes_of_the_first_day_are_those_of_a_new_installation() -> None:
    section = PAGE.partition("### What verify says")[2].partition("\n###")[0]
    told = {*re.findall(r"^\| (.+?) \| .+ \|$", section, re.MULTILINE)} - {"item", "---"}
    parts = {"exporter": exporters, "ledger": ledger, "Alertmanager": alertmanagers}
    noes = AT_FIRST | {("Alertmanager", "history")}
    assert told == {parts[of].CHECKS[check] for of, check in noes}


def test_a_reboot_starts_what_the_page_starts() -> None:
    unit = configparser.ConfigParser()
    (shown,) = blocks("ini")
    unit.read_string(shown)
    command = unit["Service"]["ExecStart"].removeprefix("/usr/bin/")
    assert f"{command}\n" in blocks("sh")


@pytest.mark.parametrize("page", ["deployment.md", "kubernetes.md", "security.md", "upgrade.md"])
def test_links_lead_somewhere(page: str) -> None:
    docs = PROJECT / "docs"
    links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", (docs / page).read_text())
    for path, anchor in links:
        file = docs / (path or page)
        assert file.is_file(), path
        titles = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in slugs, anchor
