"""compose.yaml: what it starts, what it mounts, and that the parts of it fit one another."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import exporter
from dashboards.variables import DATASOURCE, POSTGRES
from demo.addresses import Addresses
from demo.files import Place
from exporter.settings import SETTINGS
from tests.support.compose import COMPOSE, FILE, SECRETS, SERVICES, make_secrets, mounts
from tests.support.tools import find_tool
from tests.support.tree import PROJECT

# What holds the network only sleeps; the other one ends.
WITHOUT_HEALTH = {"network", "alertmanager-key"}
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?")


@pytest.fixture(scope="module")
def secret_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make secrets` makes."""
    folder = tmp_path_factory.mktemp("made") / "secrets"
    make_secrets(folder)
    return folder


def check_schema(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            Path(sys.executable).with_name("check-jsonschema"),
            "--builtin-schema=vendor.compose-spec",
            file,
        ],
        check=False,
        capture_output=True,
        text=True,
    )


def test_it_follows_the_compose_specification(tmp_path: Path) -> None:
    answer = check_schema(FILE)
    assert answer.returncode == 0, answer.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text().replace("read_only:", "readonly:"))
    assert "'readonly' was unexpected" in check_schema(wrong).stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_and_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"])
    user = service["user"].split(":")[0]
    assert user.isdigit()
    assert int(user) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    if name not in WITHOUT_HEALTH:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


def test_only_this_machine_is_listened_on_and_as_the_demo_does() -> None:
    published = SERVICES["network"]["ports"]
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["network"]
    shared = {
        service.get("network_mode") for name, service in SERVICES.items() if name != "network"
    }
    assert shared == {"service:network"}
    ports = {}
    for line in published:
        host, outside, inside = line.split(":")
        assert host == "127.0.0.1"
        ports[int(inside)] = int(outside)
    assert all(inside == outside for inside, outside in ports.items())
    usual = Addresses()
    told = (usual.exporter, usual.prometheus, usual.alertmanager)
    assert {int(address.rpartition(":")[2]) for address in told} <= ports.keys()
    # Mails are taken from its own containers alone.
    assert SERVICES["mails"]["environment"]["MP_SMTP_BIND_ADDR"] == usual.mail
    assert SERVICES["exporter"]["environment"]["ALERTMANAGER_URL"] == f"http://{usual.alertmanager}"


def test_what_is_named_is_there() -> None:
    used = set()
    for name, service in SERVICES.items():
        assert service.get("depends_on", {}).keys() <= SERVICES.keys() - {name}
        for volume in service.get("volumes", ()):
            if isinstance(volume, str):
                used.add(volume.partition(":")[0])
        for target, source in mounts(name).items():
            assert source.exists() or target == SECRETS, source
    assert used == COMPOSE["volumes"].keys()
    build = SERVICES["exporter"]["build"]
    assert (PROJECT / build["context"] / build["dockerfile"]).is_file()
    assert SERVICES["exporter"]["image"] == f"billing-exporter:{exporter.__version__}"


def test_every_secret_is_a_file_that_is_made(secret_files: Path) -> None:
    known = {setting.name for setting in SETTINGS}
    secret = {setting.name for setting in SETTINGS if setting.secret}
    for name in ("exporter", "alertmanager-key"):
        environment = SERVICES[name]["environment"]
        assert {variable.removesuffix("_FILE") for variable in environment} <= known
        assert environment.keys().isdisjoint(secret)
    wanted = set()
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if variable.endswith("_FILE"):
                source = mounts(name)[SECRETS]
                assert source.parent == PROJECT / ".secrets"
                wanted.add(Path(source.name) / Path(value).relative_to(SECRETS))
    made = {file.relative_to(secret_files) for file in secret_files.rglob("*") if file.is_file()}
    read_elsewhere = {
        Path("grafana/auditor-password"),
        Path("postgres/auditor-password"),
        Path("postgres/billing-password"),
        Path("postgres/operator-password"),
    }
    assert made == wanted | read_elsewhere
    assert "/.secrets/" in (PROJECT / ".gitignore").read_text().splitlines()


def test_secrets_are_the_owners_and_stay_as_they_are(secret_files: Path) -> None:
    assert stat.S_IMODE(secret_files.stat().st_mode) == 0o700
    before = {file: file.read_text() for file in secret_files.rglob("*") if file.is_file()}
    assert {stat.S_IMODE(file.stat().st_mode) for file in before} == {0o444}
    mine = next(file for file in before if file.name == "stripe-webhook-secret")
    mine.unlink()
    assert make_secrets(secret_files) == "made exporter/stripe-webhook-secret\n"
    changed = [file for file, text in before.items() if file.read_text() != text]
    assert changed == [mine]
    # Two that must be one stay one; all others differ.
    texts = [file.read_text() for file in secret_files.rglob("*") if file.is_file()]
    assert len(set(texts)) == len(texts) - 1


def test_prometheus_and_alertmanager_get_what_the_demo_runs_with(tmp_path: Path) -> None:
    place = Place(tmp_path / "demo")
    place.write(Addresses())
    compared = 0
    for name, folder, inside in (
        ("prometheus", place.prometheus, "/etc/prometheus"),
        ("alertmanager", place.alertmanager, "/etc/alertmanager"),
        ("exporter", place.folder, "/etc/billing-exporter"),
    ):
        for target, source in mounts(name).items():
            if target == SECRETS:
                continue
            ours = folder / Path(target).relative_to(inside)
            for file in [ours] if ours.is_file() else sorted(ours.rglob("*")):
                mounted = source / file.relative_to(ours) if file != ours else source
                assert mounted.read_bytes() == file.read_bytes(), file
                compared += 1
    rules = len([*(PROJECT / "rules" / "generated").glob("*.rules.yml")])
    assert compared > rules + 5
    # What Prometheus reads beside its own file is mounted beside it.
    layout = tmp_path / "prometheus"
    layout.mkdir()
    for target, source in mounts("prometheus").items():
        (layout / Path(target).name).symlink_to(source)
    checked = subprocess.run(
        [find_tool("promtool"), "check", "config", layout / "prometheus.yml"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
    assert f"{rules} rule files found" in checked.stdout


def test_grafana_finds_its_data_its_password_and_its_dashboards() -> None:
    found = mounts("grafana")
    folder = found["/etc/grafana/provisioning"]
    (sources,) = folder.glob("datasources/*.yml")
    (providers,) = folder.glob("dashboards/*.yml")
    by_type = {one["type"]: one for one in yaml.safe_load(sources.read_text())["datasources"]}
    assert by_type.keys() == {DATASOURCE.datasource, POSTGRES.datasource}
    assert not any(one["editable"] for one in by_type.values())
    assert by_type["prometheus"]["url"] == f"http://{Addresses().prometheus}"
    ledger = by_type["grafana-postgresql-datasource"]
    assert (ledger["url"], ledger["user"]) == ("127.0.0.1:5432", "billing_auditor")
    assert ledger["secureJsonData"] == {"password": f"$__file{{{SECRETS}/auditor-password}}"}
    (provider,) = yaml.safe_load(providers.read_text())["providers"]
    shown = [*found[provider["options"]["path"]].glob("*.json")]
    assert "billing-metrics" in {json.loads(file.read_text())["uid"] for file in shown}


def test_the_database_gets_the_roles_that_the_documents_tell_of() -> None:
    made = mounts("postgres")["/docker-entrypoint-initdb.d/roles.sql"].read_text().splitlines()
    told = []
    for page in ("sql.md", "dashboards.md"):
        text = (PROJECT / "docs" / page).read_text()
        told += re.findall(r"```sql superuser\n(.*?)```", text, re.DOTALL)[0].splitlines()
    assert len(told) > 10
    assert [line for line in told if line not in made] == []
