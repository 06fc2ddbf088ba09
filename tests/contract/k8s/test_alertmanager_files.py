"""What Alertmanager is given in a cluster is good, and the addresses in it lead somewhere."""

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support.kubernetes import K8S, STAGES, containers, one_of, overlay
from tests.support.tools import find_tool

FOLDER = "/etc/alertmanager/config"


def mounted(stage: str) -> dict[str, str]:
    """The files of a stage's ConfigMap."""
    found = one_of(overlay(f"{stage}-prometheus"), "ConfigMap", "billing-alertmanager")
    data: dict[str, str] = found["data"]
    return data


@pytest.mark.parametrize("stage", STAGES)
def test_alertmanager_takes_its_files(stage: str, tmp_path: Path) -> None:
    files = mounted(stage)
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace(FOLDER, str(tmp_path)))
    done = subprocess.run(
        [find_tool("amtool"), "check-config", tmp_path / "alertmanager.yml"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load(files["alertmanager.yml"])["templates"] == [f"{FOLDER}/*.tmpl"]
    texts = "".join(text for name, text in files.items() if name.endswith(".tmpl"))
    defined = set(re.findall(r'define "([^"]+)"', texts))
    assert set(re.findall(r'template "([^"]+)"', "".join(files.values()))) <= defined
    operators = K8S / "overlays" / f"{stage}-operator" / "alertmanager.yml"
    assert yaml.safe_load(operators.read_text()) == yaml.safe_load(files["alertmanager.yml"])


@pytest.mark.parametrize("stage", STAGES)
def test_the_exporter_and_alertmanager_know_where_the_other_is(stage: str) -> None:
    objects = overlay(f"{stage}-prometheus")
    config: dict[str, Any] = yaml.safe_load(mounted(stage)["alertmanager.yml"])
    (history,) = (one for one in config["receivers"] if one["name"] == "history")
    address = urlsplit(history["webhook_configs"][0]["url"])
    service = one_of(objects, "Service")
    assert address.hostname == f"billing-exporter.{service['metadata']['namespace']}.svc"
    assert [port["port"] for port in service["spec"]["ports"]] == [address.port]
    (container,) = containers(objects)
    (urls,) = (one["value"] for one in container["env"] if one["name"] == "ALERTMANAGER_URL")
    monitoring = one_of(objects, "ConfigMap", "billing-rules")["metadata"]["namespace"]
    hosts = [urlsplit(url).hostname or "" for url in urls.split(",")]
    assert len(hosts) == 2
    assert all(host.endswith(f".alertmanager.{monitoring}.svc") for host in hosts)
    policy = one_of(objects, "NetworkPolicy")["spec"]
    watchers = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": monitoring}}}
    assert watchers in policy["ingress"][0]["from"]
    assert [rule["to"] for rule in policy["egress"] if rule["ports"][0]["port"] == 9093] == [
        [watchers]
    ]


def test_the_patch_mounts_every_secret_that_the_configuration_names() -> None:
    patch = yaml.safe_load((K8S / "reload" / "alertmanager.yml").read_text())
    pod = patch["spec"]["template"]["spec"]
    server, sidecar = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    (folder,) = (
        mount["mountPath"]
        for mount in server["volumeMounts"]
        if volumes[mount["name"]].get("secret") == {"secretName": "billing-alertmanager"}
    )
    assert not any("subPath" in mount for mount in server["volumeMounts"])
    # It has no use for them.
    assert [mount["mountPath"] for mount in sidecar["volumeMounts"]] == [FOLDER]
    for stage in STAGES:
        named = re.findall(r"_file: (\S+)", mounted(stage)["alertmanager.yml"])
        assert named
        assert {str(Path(name).parent) for name in named} == {folder}
