"""The manifests are what Kubernetes takes, whichever way they are applied."""

import copy
import json
import re
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from exporter.domain.access import Keyless
from exporter.web.access import ROUTES
from tests.support.kubernetes import (
    K8S,
    OPERATOR_API,
    OVERLAYS,
    STAGES,
    VERSIONS,
    Object,
    by_name,
    containers,
    faults,
    kubectl,
    kustomize,
    one_of,
    overlay,
    read_objects,
)

LONGEST_ANNOTATION_BYTES = 256 * 1024


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[Object]]:
    """What each overlay renders."""
    return {name: overlay(name) for name in OVERLAYS}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """A deployment's own kustomization, with every component and an image of its own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "k8s").symlink_to(K8S)
    components = sorted(path.name for path in (K8S / "components").iterdir())
    assert len(components) == 5
    own = {
        "namespace": "billing",
        "resources": ["k8s/overlays/production"],
        "components": [f"k8s/components/{name}" for name in components],
        "images": [{"name": "billing-exporter", "newName": "registry.example.com/billing"}],
    }
    (folder / "kustomization.yml").write_text(yaml.safe_dump(own))
    return kustomize(folder)


def each_once(*objects: list[Object]) -> list[Object]:
    """The objects of several renderings without those that are the same in them."""
    return [*{json.dumps(one): one for some in objects for one in some}.values()]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(
    version: str, rendered: dict[str, list[Object]], whole: list[Object]
) -> None:
    everything = each_once(whole, *rendered.values())
    checked = [one for one in everything if one["apiVersion"] != OPERATOR_API]
    assert {one["kind"] for one in everything} - {one["kind"] for one in checked} == {
        "PrometheusRule",
        "ServiceMonitor",
    }
    assert [fault for one in checked for fault in faults(one, version)] == []


def test_the_check_refuses_unknown_fields_and_unknown_kinds(
    rendered: dict[str, list[Object]],
) -> None:
    mistaken = copy.deepcopy(one_of(rendered["production"], "StatefulSet"))
    mistaken["spec"]["template"]["spec"]["automountServiceAccountTokens"] = False
    unknown = {"apiVersion": "apps/v1", "kind": "StatefullSet", "metadata": {"name": "x"}}
    for version in VERSIONS:
        assert "automountServiceAccountTokens" in "".join(faults(mistaken, version))
        assert "StatefullSet" in "".join(faults(unknown, version))


@pytest.mark.parametrize(
    ("folder", "name", "besides"),
    [
        ("generated", "production", None),
        ("generated/prometheus-operator", "production-operator", "production"),
        ("generated/prometheus", "production-prometheus", "production"),
    ],
)
def test_what_is_applied_as_files_is_what_the_overlay_renders(
    folder: str, name: str, besides: str | None, rendered: dict[str, list[Object]]
) -> None:
    wanted = by_name(rendered[name])
    for key in by_name(rendered[besides]) if besides else ():
        del wanted[key]
    assert by_name(read_objects(K8S / folder)) == wanted
    files = sorted(file.name for file in (K8S / folder).glob("*.yml"))
    assert besides or files[0] == "00-namespace-billing.yml"


def test_an_overlay_with_a_watcher_is_the_exporter_and_more(
    rendered: dict[str, list[Object]],
) -> None:
    for stage in STAGES:
        alone = by_name(rendered[stage])
        for variant in ("operator", "prometheus"):
            more = copy.deepcopy(by_name(rendered[f"{stage}-{variant}"]))
            for one, other in zip(
                containers([*alone.values()]), containers([*more.values()]), strict=True
            ):
                given = {variable["name"]: variable for variable in other["env"]}
                changed = [
                    variable["name"] for variable in one["env"] if variable not in other["env"]
                ]
                # The operator has names of its own.
                assert changed == (["ALERTMANAGER_URL"] if variant == "operator" else [])
                assert len(given) == len(other["env"]) == len(one["env"])
                other["env"] = one["env"]
            assert alone.items() <= more.items()


def test_staging_and_production_share_nothing_that_one_watcher_would_mix(
    rendered: dict[str, list[Object]],
) -> None:
    for variant in ("", "-operator", "-prometheus"):
        staging, production = (by_name(rendered[f"{stage}{variant}"]) for stage in STAGES)
        assert not staging.keys() & production.keys()
        assert len(staging) == len(production)
    releases = {
        one["metadata"]["labels"]["release"]
        for stage in STAGES
        for one in rendered[f"{stage}-operator"]
        if one["kind"] == "ServiceMonitor"
    }
    assert len(releases) == len(STAGES)
    for stage, other in (STAGES, STAGES[::-1]):
        (name,) = (one["metadata"]["name"] for one in rendered[stage] if one["kind"] == "Namespace")
        text = json.dumps(rendered[f"{other}-prometheus"])
        assert f'"{name}"' not in text
        assert f"{name}.svc" not in text


def test_every_container_keeps_to_the_restricted_standard(
    rendered: dict[str, list[Object]], whole: list[Object]
) -> None:
    for objects in (*rendered.values(), whole):
        pod = one_of(objects, "StatefulSet")["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        kinds = {kind for volume in pod["volumes"] for kind in volume.keys() - {"name"}}
        assert kinds == {"configMap", "emptyDir", "secret"}
        (namespace,) = (one for one in objects if one["kind"] == "Namespace")
        labels = namespace["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        for container in containers(objects):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_probes_and_public_paths_are_routes_that_ask_for_no_key(whole: list[Object]) -> None:
    needs = {route.path: route.need for route in ROUTES}
    (container,) = containers(whole)
    probes = {name: container[name]["httpGet"]["path"] for name in container if "Probe" in name}
    assert probes == {
        "startupProbe": "/-/healthy",
        "livenessProbe": "/-/healthy",
        "readinessProbe": "/-/ready",
    }
    assert {needs[path] for path in probes.values()} == {Keyless.OPEN}
    (rule,) = one_of(whole, "Ingress")["spec"]["rules"]
    public = {path["path"] for path in rule["http"]["paths"]}
    assert "/api/webhooks/stripe" in public
    assert all(path["pathType"] == "Exact" for path in rule["http"]["paths"])
    hidden = {"/", "/metrics", "/-/ready", "/-/healthy", "/billing"}
    assert not public & hidden
    assert {needs[path] for path in public} <= {Keyless.SIGNATURE, Keyless.OPEN}
    # Without a class no controller takes it, unless one is the cluster's default.
    assert one_of(whole, "Ingress")["spec"]["ingressClassName"] == "nginx"


def test_the_image_is_that_of_this_version_until_a_deployment_names_its_own(
    rendered: dict[str, list[Object]], whole: list[Object]
) -> None:
    for objects in rendered.values():
        assert {one["image"] for one in containers(objects)} == {f"billing-exporter:{__version__}"}
    (own,) = containers(whole)
    assert own["image"] == f"registry.example.com/billing:{__version__}"


def test_the_pod_is_what_the_image_is_made_for(rendered: dict[str, list[Object]]) -> None:
    made = (K8S.parent / "image" / "Dockerfile").read_text(encoding="utf-8")
    pod = one_of(rendered["production"], "StatefulSet")["spec"]["template"]["spec"]
    user = pod["securityContext"]
    assert f"\nUSER {user['runAsUser']}:{user['runAsGroup']}\n" in made
    (container,) = pod["containers"]
    (port,) = container["ports"]
    assert f"\nEXPOSE {port['containerPort']}\n" in made
    assert '\nENTRYPOINT ["billing-exporter"]\n' in made
    assert f"\nCMD {json.dumps(container['args'])}\n" in made
    given = {one["name"]: one.get("value") for one in container["env"]}
    for name in ("BILLING_CONFIG", "BILLING_DATA_DIR", "BILLING_LISTEN_ADDRESS"):
        assert re.search(rf"\b{name}={re.escape(given[name])}\s", made), name


def test_what_kubectl_notes_of_an_object_fits_into_its_annotations(
    rendered: dict[str, list[Object]], whole: list[Object]
) -> None:
    for one in each_once(whole, *rendered.values()):
        noted = len(json.dumps(one).encode())
        assert noted < LONGEST_ANNOTATION_BYTES, (one["kind"], one["metadata"]["name"], noted)


def test_rules_and_dashboards_are_those_that_are_generated(
    rendered: dict[str, list[Object]],
) -> None:
    root = K8S.parent
    rules = one_of(rendered["production-prometheus"], "ConfigMap", "billing-rules")["data"]
    named = {path.name for path in (root / "rules/generated").glob("*.rules.yml")}
    assert rules.keys() == named
    groups = [group for text in rules.values() for group in yaml.safe_load(text)["groups"]]
    rule = one_of(rendered["production-operator"], "PrometheusRule", "billing-alerts")
    assert sorted(groups, key=_name) == sorted(rule["spec"]["groups"], key=_name)
    found = {
        name: json.loads(text)
        for one in rendered["production"]
        if one["metadata"]["labels"].get("grafana_dashboard") == "1"
        for name, text in one["data"].items()
    }
    provisioned = (root / "dashboards/generated/provisioned").glob("*.json")
    assert found == {path.name: json.loads(path.read_text()) for path in provisioned}
    assert found


def _name(group: Object) -> str:
    return str(group["name"])


@pytest.mark.parametrize("server", ["prometheus", "alertmanager"])
def test_a_server_without_the_operator_takes_its_reloader(server: str, tmp_path: Path) -> None:
    pod = {
        "containers": [{"name": server, "image": "x", "volumeMounts": [_mount("data", "/data")]}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    labels = {"app": server}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": server},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    (tmp_path / "server.yml").write_text(yaml.safe_dump(deployment))
    done = kubectl(
        *("patch", "--local", "-f", tmp_path / "server.yml", "-o", "yaml"),
        *("--patch-file", K8S / "reload" / f"{server}.yml"),
    )
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(done.stdout)
    assert [fault for version in VERSIONS for fault in faults(found, version)] == []
    by_container = {container["name"]: container for container in containers([found])}
    assert by_container.keys() == {server, "billing-reloader"}
    assert by_container[server]["image"] == "x"
    assert _mount("data", "/data") in by_container[server]["volumeMounts"]
    (mount,) = by_container["billing-reloader"]["volumeMounts"]
    assert mount in by_container[server]["volumeMounts"]
    assert "subPath" not in mount
    assert f"--watched-dir={mount['mountPath']}" in by_container["billing-reloader"]["args"]


def _mount(name: str, path: str) -> Object:
    return {"name": name, "mountPath": path}
