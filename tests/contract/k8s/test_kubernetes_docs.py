"""The page about Kubernetes: every command in it does what it says, up to those that need an engine
or a cluster.
"""

import base64
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from tests.support.certificates import Authority
from tests.support.compose import SERVICES
from tests.support.database import new_database
from tests.support.kubernetes import (
    K8S,
    OPERATOR_API,
    VERSIONS,
    Object,
    containers,
    faults,
    kustomize,
    one_of,
    overlay,
)
from tests.support.kubernetes_api import KubernetesApi
from tests.support.password_role import make_role, url_of
from tests.support.tree import PROJECT

PAGE = (PROJECT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
# How those blocks begin, and why nothing here can run them.
NEED_A_CLUSTER = {
    "docker build": "needs an engine",
    "install -d -m 700 alertmanager-secrets\nkubectl -n billing exec": "runs in a pod",
    "kubectl diff": "asks the server for what it would make of it",
    "kubectl -n billing rollout undo": "asks for the revisions that a controller keeps",
    "kubectl -n billing scale": "asks for the pods that a controller ends",
    "kubectl -n billing exec": "runs in a pod",
    "kubectl -n billing logs": "reads what a pod wrote",
}
# The only ones that need a database instead of a cluster.
NEED_A_DATABASE = (
    "export DATABASE_URL_FILE",
    ".venv/bin/billing-exporter restore",
)
_BLOCK = re.compile(r"^( *)```(sh|yaml)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
BILLING_YML = """\
namespace: acme
alerts:
  links: {runbooks: 'https://runbooks.acme.example'}
"""
FILES = {
    "alertmanager-secrets/smtp-password": "another password",
    "alertmanager-secrets/exporter-key": "a key of the exporter",
}


def blocks(kind: str) -> list[str]:
    """Without the indentation of a list."""
    return [textwrap.dedent(block) for _, found, block in _BLOCK.findall(PAGE) if found == kind]


def shown(start: str) -> Any:
    """What the YAML says that begins so."""
    (text,) = [text for text in blocks("yaml") if text.startswith(start)]
    return yaml.safe_load(text)


def run_page(folder: Path, script: str, kubeconfig: Path | str = os.devnull) -> str:
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
    elsewhere = (*NEED_A_CLUSTER, *NEED_A_DATABASE)
    for start in elsewhere:
        assert len([text for text in blocks("sh") if text.startswith(start)]) == 1, start
    script = "\n".join(text for text in blocks("sh") if not text.startswith(elsewhere))
    folder = tmp_path / "project"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "billing.yml").write_text(BILLING_YML)
    (folder / "kustomization.yml").write_text(yaml.safe_dump(shown("namespace:")))
    Authority().issue("billing.example.com").write(folder, "tls")
    with KubernetesApi() as api:
        for name in ("monitoring", "monitoring-staging"):
            api.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig")
        told = run_page(folder, script, kubeconfig)
    assert "statefulset.apps/billing-exporter created" in told
    assert "ingress.networking.k8s.io/billing-exporter created" in told
    secrets = {
        one["metadata"]["name"]: one for one in api.objects.values() if one["kind"] == "Secret"
    }
    exporter = api.objects["/apis/apps/v1/namespaces/billing/statefulsets/billing-exporter"]
    (container,) = containers([exporter])
    # What is pushed is what is pulled.
    (pushed,) = re.findall(r"^docker push (\S+)$", "\n".join(blocks("sh")), re.MULTILINE)
    assert container["image"] == pushed
    assert f"--tag {pushed} ." in "\n".join(blocks("sh"))
    assert {
        "name": "ALERTMANAGER_URL",
        "value": "http://alertmanager-operated.monitoring.svc:9093",
    } in container["env"]
    wanted = {Path(one["value"]).name for one in container["env"] if one["name"].endswith("_FILE")}
    assert value_of(secrets["billing-exporter"], "database-url").startswith("postgresql://billing:")
    assert re.fullmatch("[0-9a-f]{64}", value_of(secrets["billing-exporter"], "billing-admin-key"))
    assert secrets["billing-exporter"]["data"].keys() == wanted
    (tls,) = api_object(api, "Ingress")["spec"]["tls"]
    assert secrets[tls["secretName"]]["type"] == "kubernetes.io/tls"
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


def test_what_the_page_changes_is_taken(tmp_path: Path) -> None:
    own, policy = shown("namespace:"), shown("apiVersion: networking.k8s.io/v1")
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "k8s").symlink_to(K8S)
    (tmp_path / "database.yml").write_text(yaml.safe_dump(policy))
    own["resources"].append("database.yml")
    told = [yaml.safe_load(text) for text in blocks("yaml") if text.startswith("patches:")]
    own["patches"] = [patch for one in told for patch in one["patches"]]
    (tmp_path / "kustomization.yml").write_text(yaml.safe_dump(own))
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
    (claim,) = one_of(objects, "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert one_of(objects, "ServiceAccount")["imagePullSecrets"] == [{"name": "registry"}]
    binding = one_of(objects, "RoleBinding", "billing-exporter-discovery")
    assert [one["name"] for one in binding["subjects"]] == ["prometheus-k8s"]


def test_prometheus_own_file_is_told_what_the_generated_one_says() -> None:
    scrape = one_of(overlay("production-prometheus"), "ConfigMap", "billing-scrape")["data"]
    generated = yaml.safe_load(scrape["prometheus.yml"])
    assert shown("rule_files:") == {
        key: value for key, value in generated.items() if key != "global"
    }


def test_the_key_of_alertmanager_is_made_as_compose_makes_it() -> None:
    (script,) = [text for text in blocks("sh") if "keys create" in text]
    (command,) = SERVICES["alertmanager-key"]["command"]
    making = re.search(r"billing-exporter keys create .+? >", " ".join(script.split()))
    assert making
    assert making[0].replace("\\ ", "") in command


def test_the_ledger_is_kept_and_brought_back(tmp_path: Path, postgres: EmbeddedServer) -> None:
    keep, bring = (
        next(text for text in blocks("sh") if text.startswith(start)) for start in NEED_A_DATABASE
    )
    folder = tmp_path / "project"
    (folder / "deploy").mkdir(parents=True)
    (folder / "deploy" / "kept.yml").write_text(BILLING_YML)
    (folder / "billing.yml").write_text(BILLING_YML)
    with new_database(postgres) as conninfo:
        migrate(conninfo)
        url = url_of(conninfo, make_role(postgres, "password"), "password")
        for name, text in (
            ("admin.key", "an-admin-key-for-tests-only"),
            ("database.url", url),
            ("webhook.secret", "whsec_of_a_test"),
        ):
            (folder / name).write_text(text)
        told = run_page(folder, keep + bring)
    assert "with 2 files of configuration" in told
    assert "Restored what the ledger held" in told


def refused(one: Object, version: str) -> list[str]:
    """Why Kubernetes would not take it; of the operator's objects it has no schema."""
    return [] if one["apiVersion"] == OPERATOR_API else faults(one, version)


def api_object(api: KubernetesApi, kind: str) -> Object:
    """The one object of a kind that was applied."""
    (found,) = (one for one in api.objects.values() if one["kind"] == kind)
    return found


def value_of(secret: Object, key: str) -> str:
    return base64.b64decode(secret["data"][key]).decode()


def test_the_page_names_what_there_is() -> None:
    named = set(re.findall(r"`(overlays|components|reload|generated)(?:/([\w-]+))?/?`", PAGE))
    assert len(named) > 3
    for folder, name in named:
        assert (K8S / folder / name).exists(), (folder, name)
    for component in (K8S / "components").iterdir():
        assert f"`{component.name}`" in PAGE
