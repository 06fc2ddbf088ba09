"""compose.yaml made one's own, as the page about deployment tells: what is built, what is mounted
instead, and that Alertmanager finds every secret that its configuration names.
"""

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.test_compose import check_schema
from tests.e2e.test_deployment_docs import block, blocks
from tests.support.compose import SERVICES, mounts
from tests.support.tools import find_tool
from tests.support.tree import PROJECT

OF_THE_DEMO = ("channels", "email", "secret_files")
OWN_SECRETS = "/etc/alertmanager/own-secrets"


def shown(start: str) -> str:
    """The YAML on the page that begins so."""
    (found,) = [text for text in blocks("yaml") if text.startswith(start)]
    return found


def override() -> dict[str, dict[str, str]]:
    """By service: the sources that it mounts, by their targets; all of them read-only."""
    found = {}
    for name, service in yaml.safe_load(shown("services:"))["services"].items():
        assert service.keys() == {"volumes"}
        split = [volume.split(":") for volume in service["volumes"]]
        assert {mode for _, _, mode in split} == {"ro"}
        found[name] = {target: source for source, target, _ in split}
    return found


def run(script: str, folder: Path) -> None:
    subprocess.run(["/bin/bash", "-euc", script], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after all steps but the first and the last, which test_deployment_docs has."""
    folder = tmp_path_factory.mktemp("own")
    config = yaml.safe_load((PROJECT / "demo" / "config" / "billing.yml").read_text())
    below = config["alertmanager"]
    for key in OF_THE_DEMO:
        del below[key]
    own = yaml.safe_load(shown("alertmanager:"))["alertmanager"]
    assert below.keys().isdisjoint(own)
    below |= own
    (folder / "billing.yml").write_text(yaml.safe_dump(config))
    (folder / ".secrets").mkdir(mode=0o700)
    for name in ("smtp-password", "slack-url", "pagerduty-key"):
        (folder / name).write_text("a secret")
    run(block("install -d -m 711 .secrets"), folder)
    script = block("make rules alertmanager dashboards")
    script = script.replace("CONFIG=billing.yml", f"CONFIG={folder}/billing.yml")
    run(script.replace("OUT=deploy", f"OUT={folder}/deploy"), PROJECT)
    return folder


def test_the_override_follows_the_compose_specification(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(shown("services:"))
    answer = check_schema(file)
    assert answer.returncode == 0, answer.stdout


def test_what_is_mounted_instead_is_there_and_takes_the_place_of_the_demos(
    deployment: Path,
) -> None:
    for name, instead in override().items():
        usual = mounts(name)
        assert instead.keys() - {OWN_SECRETS} <= usual.keys()
        for target, source in instead.items():
            own = deployment / source
            assert own.is_dir() or own.is_file(), source
            if target in usual:
                assert own.is_file() == usual[target].is_file()
    # Whatever is the demo's has another in its place.
    ours = [PROJECT / name for name in ("rules/generated", "dashboards/generated")]
    ours += [PROJECT / "demo" / "config" / name for name in ("billing.yml", "alertmanager")]
    for name in SERVICES:
        for target, source in mounts(name).items():
            if any(source.is_relative_to(folder) for folder in ours):
                assert target in override()[name]


def test_alertmanager_finds_every_secret_that_its_configuration_names(deployment: Path) -> None:
    instead = override()["alertmanager"]
    file = deployment / instead["/etc/alertmanager/alertmanager.yml"]
    answer = subprocess.run(
        [find_tool("amtool"), "check-config", file], check=False, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    named = {*files_of(yaml.safe_load(file.read_text()))}
    key = "secrets/exporter-key"
    assert key in named
    assert (
        "alertmanager-secrets:/etc/alertmanager/secrets:ro" in SERVICES["alertmanager"]["volumes"]
    )
    secrets = deployment / instead[OWN_SECRETS]
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o711
    assert named - {key} == {f"{OWN_SECRETS}/{one.name}" for one in secrets.iterdir()}
    assert {stat.S_IMODE(one.stat().st_mode) for one in secrets.iterdir()} == {0o444}


def files_of(content: Any) -> Iterator[str]:
    """The values of every key that names a file with a secret."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key.endswith("_file"):
                yield value
            else:
                yield from files_of(value)
    elif isinstance(content, list):
        for inner in content:
            yield from files_of(inner)
