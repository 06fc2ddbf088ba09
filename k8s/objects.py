"""What every Kubernetes object of ours has: its labels, and the file that it stands in."""

from collections.abc import Iterable, Mapping
from typing import Any

from exporter import __version__

Object = dict[str, Any]

NAME = "billing-exporter"
PORT = 9568
# By these a StatefulSet and its Services find their pods, so they never change.
SELECTOR = {"app.kubernetes.io/name": NAME}
LABELS = SELECTOR | {"app.kubernetes.io/part-of": NAME, "app.kubernetes.io/version": __version__}


def named(api: str, kind: str, name: str, **fields: Any) -> Object:
    """An object with our labels; `fields` come after its metadata."""
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "labels": dict(LABELS)},
        **fields,
    }


def config_map(name: str, data: Mapping[str, str], **labels: str) -> Object:
    """A ConfigMap of these files."""
    found = named("v1", "ConfigMap", name, data=dict(data))
    found["metadata"]["labels"] |= labels
    return found


def file_name(found: Object) -> str:
    """The file that an object stands in. A Namespace is first: the others need it."""
    number = "00-" if found["kind"] == "Namespace" else ""
    return f"{number}{found['kind'].lower()}-{found['metadata']['name']}.yml"


def within(namespace: str, objects: Iterable[Object]) -> list[Object]:
    """The objects as a kustomization with this `namespace` renders them."""
    return [{**one, "metadata": {**one["metadata"], "namespace": namespace}} for one in objects]
