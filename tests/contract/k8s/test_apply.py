"""kubectl applies the manifests: both ways, once and again, with nothing secret in them."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubernetes import K8S, Object, kubectl
from tests.support.kubernetes_api import KubernetesApi

# kubectl sends a budget's selector each time, whatever it was, since a change replaces all of it.
ALWAYS_SENT = "poddisruptionbudget.policy/billing-exporter configured"


@pytest.fixture
def api() -> Iterator[KubernetesApi]:
    """A cluster with the namespaces that Prometheus and Alertmanager run in."""
    with KubernetesApi() as server:
        for name in ("monitoring", "monitoring-staging"):
            server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        yield server


def apply(api: KubernetesApi, folder: Path, *arguments: str | Path) -> list[str]:
    """What kubectl says of each object."""
    kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
    done = kubectl("apply", *arguments, kubeconfig=kubeconfig)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


# Both stages, and both kinds of watchers.
@pytest.mark.parametrize("overlay", ["staging-prometheus", "production-operator"])
def test_what_was_applied_is_unchanged_when_it_is_applied_again(
    overlay: str, api: KubernetesApi, tmp_path: Path
) -> None:
    first = apply(api, tmp_path, "-k", K8S / "overlays" / overlay)
    assert {line.rpartition(" ")[2] for line in first} == {"created"}
    assert {method for method, _ in api.requests} == {"POST"}
    stored: dict[str, Object] = dict(api.objects)
    again = apply(api, tmp_path, "-k", K8S / "overlays" / overlay)
    assert [line.partition(" ")[0] for line in again] == [line.partition(" ")[0] for line in first]
    changed = [line for line in again if not line.endswith(" unchanged")]
    assert changed == [ALWAYS_SENT]
    assert api.objects == stored


@pytest.mark.parametrize(
    ("overlay", "watcher"),
    [
        ("production-prometheus", "prometheus"),
        ("production-operator", "prometheus-operator"),
    ],
)
def test_the_files_are_applied_in_place_of_the_overlay(
    overlay: str, watcher: str, api: KubernetesApi, tmp_path: Path
) -> None:
    files = tmp_path / "generated"
    shutil.copytree(K8S / "generated", files)
    if overlay.endswith("-operator"):
        # What docs/kubernetes.md has done with sed.
        file = files / "statefulset-billing-exporter.yml"
        operators = "http://alertmanager-operated.monitoring.svc:9093"
        file.write_text(re.sub("http://alertmanager-0.*", operators, file.read_text()))
    for folder in (files, files / watcher):
        lines = apply(api, tmp_path, "-f", folder)
        assert {line.rpartition(" ")[2] for line in lines} == {"created"}
    stored: dict[str, Object] = dict(api.objects)
    lines = apply(api, tmp_path, "-k", K8S / "overlays" / overlay)
    assert [line for line in lines if not line.endswith(" unchanged")] == [ALWAYS_SENT]
    assert api.objects == stored


def test_the_server_refuses_what_it_does_not_know(api: KubernetesApi, tmp_path: Path) -> None:
    text = (K8S / "generated" / "statefulset-billing-exporter.yml").read_text()
    file = tmp_path / "mistaken.yml"
    file.write_text(text.replace("serviceName:", "servicename:"))
    apply(api, tmp_path, "-f", K8S / "generated" / "00-namespace-billing.yml")
    done = kubectl("apply", "-f", file, kubeconfig=api.write_kubeconfig(tmp_path / "kubeconfig"))
    assert done.returncode == 1
    assert "servicename" in done.stderr
