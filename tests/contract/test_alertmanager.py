"""Alertmanager's configuration, shipped and of deployments, as its own tools read it."""

import random
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from alertmanager.build import FOLDER, WITH_ADDRESSES, WITH_FILES
from alertmanager.cases import CASES, MORE_CASES
from alertmanager.simulator import Simulator
from exporter.settings import Config
from tests.support.alert_labels import random_labels
from tests.support.alertmanager import amtool, fitting_variant
from tests.support.routing import TOKEN, TWO_AND_HEARTBEAT, VARIANTS, lint, write_bundle
from tests.support.tree import PROJECT

SHIPPED = PROJECT / FOLDER
COMPARED = 500


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment's bundle, with custom webhooks and a heartbeat."""
    folder = tmp_path_factory.mktemp("extended")
    write_bundle(folder, Config(), TWO_AND_HEARTBEAT)
    return folder


def receivers_by_amtool(config: Path, labels: dict[str, str]) -> tuple[str, ...]:
    told = amtool(
        "config",
        "routes",
        "test",
        f"--config.file={config}",
        *(f"{name}={value}" for name, value in labels.items()),
    )
    return tuple(told.strip().split(","))


def read(file: Path) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def generate(
    folder: Path, config: str, **environment: str
) -> tuple["subprocess.CompletedProcess[str]", Path]:
    """`make alertmanager CONFIG=… OUT=…`, and the folder that it writes to."""
    (folder / "billing.yml").write_text(config)
    answer = subprocess.run(
        [sys.executable, "-m", "bundle", "--config", "billing.yml", "--out", "out", "alertmanager"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return answer, folder / "out"


@pytest.mark.parametrize("path", VARIANTS)
def test_amtool_takes_every_variant(extended: Path, path: str) -> None:
    amtool("check-config", PROJECT / path)
    if path in (WITH_ADDRESSES, fitting_variant()):
        amtool("check-config", extended / path)


@pytest.mark.parametrize("path", VARIANTS)
def test_the_second_linter_finds_nothing(extended: Path, path: str) -> None:
    for file in (PROJECT / path, extended / path):
        answer = subprocess.run(
            [Path(sys.executable).with_name("amlint"), "check", file],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert answer.returncode == 0, answer.stdout
        assert "No issues found" in answer.stdout, answer.stdout


@pytest.mark.parametrize("path", VARIANTS)
def test_nothing_in_it_is_deprecated_secret_or_unused(extended: Path, path: str) -> None:
    assert lint(read(PROJECT / path)) == []
    assert lint(read(extended / path)) == []


def test_the_own_lint_notices_what_amtool_takes() -> None:
    good = read(PROJECT / WITH_FILES)
    route = {"receiver": "critical", "match": {"severity": "critical"}}
    assert lint(good | {"route": good["route"] | {"routes": [route]}}) != []  # type: ignore[operator]
    assert lint(good | {"mute_time_intervals": []}) == ["mute_time_intervals is deprecated"]
    assert lint(good | {"global": {"smtp_auth_password": "x"}}) == [
        "smtp_auth_password is a secret"
    ]
    assert lint(good | {"inhibit_rules": [{"source_matchers": ["a=b"]}]}) != []
    assert lint(good | {"receivers": []}) != []
    assert lint(good | {"time_intervals": []}) != []


def test_every_case_of_the_table_holds_by_amtool(extended: Path) -> None:
    pairs = [(PROJECT / WITH_FILES, case) for case in CASES]
    pairs += [(extended / WITH_ADDRESSES, case) for case in MORE_CASES]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda pair: receivers_by_amtool(pair[0], dict(pair[1].labels)), pairs)
        for (_, case), receivers in zip(pairs, found, strict=True):
            assert receivers == case.receivers, case.name


def test_the_simulator_agrees_with_amtool(extended: Path) -> None:
    source = random.Random(2029)
    drawn = [random_labels(source) for _ in range(COMPARED)]
    simulator = Simulator(read(extended / WITH_ADDRESSES))
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda one: receivers_by_amtool(extended / WITH_ADDRESSES, one), drawn)
        for labels, receivers in zip(drawn, found, strict=True):
            assert receivers == simulator.receivers(labels), labels


def test_the_addresses_of_webhooks_stand_where_they_must_and_nowhere_else(extended: Path) -> None:
    for file in (extended / FOLDER).rglob("*.*"):
        is_secret = file == extended / WITH_ADDRESSES
        assert (TOKEN in file.read_text()) == is_secret, file
    assert (
        f"url_file: {Config().alertmanager.secret_files.webhooks}/custom-webhook-2\n"
        in (extended / WITH_FILES).read_text()
    )


def test_no_webhook_is_led_on_to_another_address(extended: Path) -> None:
    receivers = read(extended / WITH_FILES)["receivers"]
    webhooks = [hook for one in receivers for hook in one.get("webhook_configs", ())]  # type: ignore[attr-defined]
    assert len(webhooks) == 4
    assert {hook["http_config"]["follow_redirects"] for hook in webhooks} == {False}


def test_generating_from_a_deployments_own_files(tmp_path: Path) -> None:
    answer, out = generate(
        tmp_path,
        "alertmanager:\n  internal_hosts: [127.0.0.1]\n  slack_channel: '#money'\n",
        CUSTOM_WEBHOOKS=f"http://127.0.0.1:9/{TOKEN}",
    )
    assert answer.returncode == 0, answer.stderr
    assert TOKEN not in answer.stdout + answer.stderr
    assert stat.S_IMODE((out / WITH_ADDRESSES).stat().st_mode) == 0o600
    assert TOKEN in (out / WITH_ADDRESSES).read_text()
    assert "'#money'" in (out / WITH_FILES).read_text()
    amtool("check-config", out / WITH_ADDRESSES)


@pytest.mark.parametrize(
    ("config", "environment", "told"),
    [
        (
            "alertmanager:\n  channels:\n    critical: [pagerdutty]\n",
            {},
            "billing.yml:3: alertmanager.channels.critical.0: 'pagerdutty' is no channel. Use ",
        ),
        (
            "alertmanager:\n  secret_files:\n    slack_url: ''\n",
            {},
            "billing.yml:3: alertmanager.secret_files.slack_url: must name a file: ",
        ),
        (
            "alertmanager:\n  slack_chanel: '#a'\n",
            {},
            "billing.yml:2: alertmanager.slack_chanel: there is no such key. Remove it ",
        ),
        (
            "alertmanager:\n  email:\n    info: [alerts]\n",
            {},
            "billing.yml:3: alertmanager.email.info.0: 'alerts' is no mail address, ",
        ),
        (
            "",
            {"CUSTOM_WEBHOOKS": f"https://127.0.0.1/{TOKEN}"},
            "CUSTOM_WEBHOOKS: address 1 leads to an address that isn't public; ",
        ),
        (
            "",
            {"CUSTOM_WEBHOOKS": f"https://example.com/a,nonsense-{TOKEN}"},
            "CUSTOM_WEBHOOKS: address 2 is no https address, ",
        ),
        (
            "",
            {"BILLING_HEARTBEAT_URL_FILE": "missing"},
            "BILLING_HEARTBEAT_URL_FILE: the file it names can't be read: ",
        ),
    ],
)
def test_a_fault_is_told_and_nothing_is_written(
    tmp_path: Path, config: str, environment: dict[str, str], told: str
) -> None:
    answer, out = generate(tmp_path, config, **environment)
    assert answer.returncode == 1
    assert answer.stderr.startswith(told), answer.stderr
    assert answer.stderr.rstrip().endswith(".")
    assert TOKEN not in answer.stderr
    assert not out.exists()


def test_a_configuration_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    answer, _ = generate(tmp_path, "")
    assert answer.returncode == 0
    (tmp_path / "billing.yml").unlink()
    answer = subprocess.run(
        [sys.executable, "-m", "bundle", "--config", "billing.yml", "--out", "new"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 2
    assert "there is no file billing.yml" in answer.stderr
    assert not (tmp_path / "new").exists()


def test_prometheus_is_told_of_every_alertmanager_by_itself() -> None:
    (managers,) = read(SHIPPED / "prometheus-alerting.yml")["alerting"]["alertmanagers"]  # type: ignore[index]
    (static,) = managers["static_configs"]
    assert static["targets"] == ["alertmanager-0:9093", "alertmanager-1:9093"]
