"""A stand-in for Kubernetes' API server, as far as `kubectl apply` needs one: what there is, and
GET, POST and PATCH of objects, which it checks as strictly as the real one.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import yaml

from tests.support.kubernetes import OPERATOR_API, Object, faults

# API version: kind and whether it belongs to a namespace.
_KINDS = {
    "v1": {
        "ConfigMap": True,
        "Namespace": False,
        "Secret": True,
        "Service": True,
        "ServiceAccount": True,
    },
    "apps/v1": {"Deployment": True, "StatefulSet": True},
    "networking.k8s.io/v1": {"Ingress": True, "NetworkPolicy": True},
    "policy/v1": {"PodDisruptionBudget": True},
    "rbac.authorization.k8s.io/v1": {"Role": True, "RoleBinding": True},
    OPERATOR_API: {"PrometheusRule": True, "ServiceMonitor": True},
}
# Server-side apply, which makes what isn't there yet, and the kind of body by which it is told.
APPLY = "APPLY"
_APPLIED = "application/apply-patch"
_VERSION = {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}


class KubernetesApi:
    """`objects` is what was applied, by its path; `requests` are the methods and paths of all that
    changed something. `url` is where it is.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.requests: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def write_kubeconfig(self, path: Path) -> Path:
        """Make it the cluster that kubectl talks to."""
        context = {"name": "stub", "context": {"cluster": "stub", "user": "stub"}}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "stub", "cluster": {"server": self.url}}],
            "users": [{"name": "stub", "user": {}}],
            "contexts": [context],
            "current-context": "stub",
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def add(self, cluster_wide: Object) -> None:
        """Let there be an object already that belongs to no namespace."""
        found = _resource(cluster_wide["kind"], namespaced=False)
        folder = _folder(cluster_wide["apiVersion"])
        self.objects[f"/{folder}/{found['name']}/{cluster_wide['metadata']['name']}"] = cluster_wide

    def answer(self, method: str, address: str, body: bytes) -> tuple[int, Any]:
        """Status and content of the answer to a request; a PATCH of server-side apply is APPLY."""
        parts = urlsplit(address)
        if method == "GET" and (found := _discovered(parts.path)):
            return 200, found
        if method == "GET":
            found = self.objects.get(parts.path)
            return (200, found) if found else _status(404, "NotFound", parts.path)
        strict = parse_qs(parts.query).get("fieldValidation") == ["Strict"]
        return self._change(
            method, parts.path, yaml.load(body, Loader=yaml.CSafeLoader), strict=strict
        )

    def _change(self, method: str, path: str, given: Object, *, strict: bool) -> tuple[int, Any]:
        if not strict:
            return _status(400, "BadRequest", "kubectl asked for no strict validation")
        if method == "POST":
            path = f"{path}/{given['metadata']['name']}"
        elif path in self.objects:
            given = _merge(self.objects[path], given)
        elif method != APPLY:
            return _status(404, "NotFound", path)
        namespace = given["metadata"].get("namespace")
        if namespace and f"/api/v1/namespaces/{namespace}" not in self.objects:
            return _status(404, "NotFound", f"namespaces {namespace!r} not found")
        if given["apiVersion"] != OPERATOR_API and (found := faults(given, _newest())):
            return _status(422, "Invalid", "; ".join(found))
        annotations = given["metadata"].get("annotations", {})
        if sum(len(name + text) for name, text in annotations.items()) > 256 * 1024:
            return _status(422, "Invalid", f"{path}: the annotations are too long")
        self.requests.append((method, path))
        created = path not in self.objects
        self.objects[path] = given
        return 201 if created else 200, given


def _newest() -> str:
    return kubernetes_validate.latest_version()


def _merge(found: Any, patch: Any) -> Any:
    """JSON merge patch, which is all that changes of a ConfigMap's data need, and `$patch`."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(found, dict) or patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged = found | {key: _merge(found.get(key), patch[key]) for key in patch}
    return {key: value for key, value in merged.items() if value is not None}


def _discovered(path: str) -> Any:
    """What kubectl asks before it asks for objects; None for anything else."""
    groups = {version: _folder(version) for version in _KINDS}
    if path == "/version":
        return _VERSION
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        named = [_group(version) for version in _KINDS if "/" in version]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}
    if path == "/openapi/v3":
        return {"paths": {f: {"serverRelativeURL": f"/openapi/v3/{f}"} for f in groups.values()}}
    for version, folder in groups.items():
        if path == f"/{folder}":
            resources = [_resource(kind, inside) for kind, inside in _KINDS[version].items()]
            head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version}
            return head | {"resources": resources}
        if path == f"/openapi/v3/{folder}":
            return _openapi(version)
    return None


def _folder(version: str) -> str:
    return f"apis/{version}" if "/" in version else f"api/{version}"


def _group(version: str) -> Object:
    named = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [named], "preferredVersion": named}


def _resource(kind: str, namespaced: bool) -> Object:
    singular = kind.lower()
    # NetworkPolicy and Ingress.
    plural = f"{singular[:-1]}ies" if singular.endswith("y") else f"{singular}s"
    plural = plural.replace("ingresss", "ingresses")
    return {
        "name": plural,
        "singularName": singular,
        "namespaced": namespaced,
        "kind": kind,
        "verbs": ["create", "delete", "get", "list", "patch", "update"],
    }


def _openapi(version: str) -> Object:
    """That objects of these kinds can be validated strictly, and nothing else."""
    group, _, name = version.rpartition("/")
    paths = {
        f"/{kind}": {
            "patch": {
                "parameters": [{"name": "fieldValidation", "in": "query"}],
                "responses": {},
                "x-kubernetes-group-version-kind": {"group": group, "version": name, "kind": kind},
            }
        }
        for kind in _KINDS[version]
    }
    return {"openapi": "3.0.0", "info": {"title": "stub", "version": "1"}, "paths": paths}


def _status(code: int, reason: str, message: str) -> tuple[int, Object]:
    head = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return code, head | {"reason": reason, "message": message, "code": code}


def _handler(api: KubernetesApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            applies = self.headers.get("Content-Type", "").startswith(_APPLIED)
            status, content = api.answer(APPLY if applies else self.command, self.path, body)
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - the names that are called

        def log_message(self, *_: object) -> None:
            """Nothing: what came is in `requests`."""

    return Handler
