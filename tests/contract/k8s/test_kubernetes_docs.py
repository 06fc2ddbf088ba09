"""The page about Kubernetes: every command in it does what it says, up to those that it says need
a cluster.
"""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.support.kubernetes import (
    K8S,
    OPERATOR_API,
    VERSIONS,
    Object,
    containers,
    faults,
    kustomize,
    one_of,
)
from tests.support.kubernetes_api import KubernetesApi
from tests.support.tree import PROJECT

PAGE = (PROJECT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
NEED_A_CLUSTER = "## Commands that need your cluster"
_BLOCK = re.compile(r"^```(sh|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BILLING_YML = """\
namespace: acme
alerts:
  links: {runbooks: 'https://runbooks.acme.example'}
"""
FILES = {
    "admin.key": "an-admin-key-for-tests-only",
    "database.url": "postgresql://billing:password@db.example.com/billing",
    "webhook.secret": "whsec_of_a_test",
    "alertmanager-secrets/smtp-password": "another password",
    "alertmanager-secrets/exporter-key": "a key of the exporter",
}


def blocks(text: str, kind: str) -> list[str]:
    return [block for found, block in _BLOCK.findall(text) if found == kind]


def run_page(folder: Path, script: str, kubeconfig: Path) -> str:
    """What a shell in the project's root says, in a copy of it that has links for its files."""
    for file in PROJECT.iterdir():
        if file.name not in (".env", ".billing", ".venv"):
            (folder / file.name).symlink_to(file)
    # Up to date whatever it is: make must not install this copy into it.
    (folder / ".venv").mkdir()
    for file in (PROJECT / ".venv").glob("[!.]*"):
        (folder / ".venv" / file.name).symlink_to(file)
    (folder / ".venv" / ".dev").touch()
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "KUBECONFIG": str(kubeconfig),
            "HOME": str(folder),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_is_true(tmp_path: Path) -> None:
    page, _, rest = PAGE.partition(NEED_A_CLUSTER)
    assert blocks(rest, "sh")
    folder = tmp_path / "project"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "billing.yml").write_text(BILLING_YML)
    (folder / "kustomization.yml").write_text(blocks(page, "yaml")[0])
    with KubernetesApi() as api:
        for name in ("monitoring", "monitoring-staging"):
            api.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig")
        told = run_page(folder, "\n".join(blocks(page, "sh")), kubeconfig)
    assert "statefulset.apps/billing-exporter created" in told
    assert "ingress.networking.k8s.io/billing-exporter created" in told
    secrets = {
        one["metadata"]["name"]: one for one in api.objects.values() if one["kind"] == "Secret"
    }
    exporter = api.objects["/apis/apps/v1/namespaces/billing/statefulsets/billing-exporter"]
    (container,) = containers([exporter])
    assert container["image"].startswith("registry.example.com/billing-exporter:")
    assert {
        "name": "ALERTMANAGER_URL",
        "value": "http://alertmanager-operated.monitoring.svc:9093",
    } in container["env"]
    wanted = {Path(one["value"]).name for one in container["env"] if one["name"].endswith("_FILE")}
    assert value_of(secrets["billing-exporter"], "database-url") == FILES["database.url"]
    assert secrets["billing-exporter"]["data"].keys() == wanted
    # Not even in an annotation.
    assert "annotations" not in secrets["billing-exporter"]["metadata"]
    assert value_of(secrets["billing-alertmanager"], "smtp-password") == "another password"
    config = secrets["billing-alertmanager-config"]
    mounted = api.objects["/api/v1/namespaces/monitoring/configmaps/billing-alertmanager"]["data"]
    templates = {name: text for name, text in mounted.items() if name.endswith(".tmpl")}
    # Files begin with a line that says what they were made from.
    assert {
        name: value_of(config, name).partition("\n")[2]
        for name in config["data"]
        if name.endswith(".tmpl")
    } == templates
    assert "runbooks.acme.example" in "".join(templates.values())
    assert yaml.safe_load(value_of(config, "alertmanager.yaml")) == yaml.safe_load(
        mounted["alertmanager.yml"]
    )


def test_what_the_page_adds_to_policies_and_to_the_ingress_is_taken(tmp_path: Path) -> None:
    own, policy, patches = (yaml.safe_load(text) for text in blocks(PAGE, "yaml")[:3])
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "k8s").symlink_to(K8S)
    (tmp_path / "database.yml").write_text(yaml.safe_dump(policy))
    own["resources"].append("database.yml")
    (tmp_path / "kustomization.yml").write_text(yaml.safe_dump({**own, **patches}))
    objects = kustomize(tmp_path)
    assert [
        fault for version in VERSIONS for one in objects for fault in refused(one, version)
    ] == []
    database = one_of(objects, "NetworkPolicy", "billing-exporter-database")["spec"]
    ours = one_of(objects, "NetworkPolicy")["spec"]
    assert database["podSelector"] == ours["podSelector"]
    assert one_of(objects, "Ingress")["spec"]["ingressClassName"] == "traefik"
    opened = one_of(objects, "NetworkPolicy", "billing-exporter-ingress")["spec"]["ingress"]
    assert "ingress-nginx" not in json.dumps(opened)
    assert "traefik" in json.dumps(opened)


def refused(one: Object, version: str) -> list[str]:
    """Why Kubernetes would not take it; of the operator's objects it has no schema."""
    return [] if one["apiVersion"] == OPERATOR_API else faults(one, version)


def value_of(secret: Object, key: str) -> str:
    return base64.b64decode(secret["data"][key]).decode()


def test_the_page_names_what_there_is() -> None:
    named = set(re.findall(r"`(overlays|components|reload|generated)(?:/([\w-]+))?/?`", PAGE))
    assert len(named) > 3
    for folder, name in named:
        assert (K8S / folder / name).exists(), (folder, name)
    for component in (K8S / "components").iterdir():
        assert f"`{component.name}`" in PAGE
