"""kubectl as the developers' dependencies bring it, and what it makes of the manifests."""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from tests.support.tools import PROJECT

Object = dict[str, Any]

K8S = PROJECT / "k8s"
STAGES = ("staging", "production")
OVERLAYS = tuple(
    f"{stage}{variant}" for stage in STAGES for variant in ("", "-operator", "-prometheus")
)
KUBECTL = Path(sys.executable).parent / "kubectl"
# The oldest release that is supported, and the newest there are schemas of.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
OPERATOR_API = "monitoring.coreos.com/v1"


def kubectl(
    *arguments: str | Path, kubeconfig: Path | str = os.devnull, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run it, knowing no cluster but that of `kubeconfig`, with `given` as its stdin."""
    return subprocess.run(
        [KUBECTL, *arguments],
        check=False,
        cwd=PROJECT,
        env={"PATH": os.defpath, "KUBECONFIG": str(kubeconfig), "HOME": "/nowhere"},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )


def kustomize(folder: Path) -> list[Object]:
    """The objects that a kustomization renders."""
    done = kubectl("kustomize", folder)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return [*yaml.load_all(done.stdout, Loader=yaml.CSafeLoader)]


@functools.cache
def overlay(name: str) -> list[Object]:
    """What one of our own overlays renders. It is shared: copy what you change."""
    return kustomize(K8S / "overlays" / name)


def read_objects(folder: Path) -> list[Object]:
    """The objects in the files of a folder, as `kubectl apply -f` takes them."""
    found: list[Object] = []
    for file in sorted(folder.glob("*.yml")):
        found += yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return found


def by_name(objects: list[Object]) -> dict[tuple[str, str, str], Object]:
    """Objects by kind, namespace and name, each of which is there once."""
    found = {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one
        for one in objects
    }
    assert len(found) == len(objects)
    return found


def one_of(objects: list[Object], kind: str, name: str = "billing-exporter") -> Object:
    """The one object of a kind and name."""
    (found,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def faults(found: Object, version: str) -> list[str]:
    """Why Kubernetes of this version would not take an object. An unknown kind is a fault, too."""
    try:
        checked = kubernetes_validate.validate(found, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(step) for step in error.path)
        return [f"{_title(found)}: {place}: {error.message}"]
    except kubernetes_validate.SchemaNotFoundError as error:
        return [f"{_title(found)}: {error.message}"]
    # It takes older schemas where it has none of a version.
    assert f"{version}.".startswith(f"{checked}.")
    return []


def containers(objects: list[Object]) -> Iterator[Object]:
    """Every container of every pod that is described."""
    for one in objects:
        pod = one.get("spec", {}).get("template", {}).get("spec", {})
        yield from (*pod.get("initContainers", ()), *pod.get("containers", ()))


def _title(found: Object) -> str:
    return f"{found.get('kind')} {found.get('metadata', {}).get('name')}"
