"""The Kubernetes manifests, as texts: `build`.

base/                         the exporter, as production has it
components/                   what it may have besides
monitoring/                   what every Prometheus without the operator has
overlays/STAGE/               the exporter in a stage
overlays/STAGE-operator/      and the operator's objects
overlays/STAGE-prometheus/    and what a Prometheus and an Alertmanager without it mount
reload/                       patches that make these read it again
generated/                    production, rendered for `kubectl apply -f`
"""

from collections.abc import Mapping, Sequence
from typing import Any

import rules.build
from exporter import __version__
from exporter.settings import Config, Webhooks
from k8s import monitoring
from k8s.components import ingress, redis_policy, secret_patch
from k8s.objects import LABELS, NAME, Object, file_name, within
from k8s.stages import PRODUCTION, STAGES, Stage
from k8s.workload import operator_patches, secret_key, stage_patches, workload
from rules.text import dump

FOLDER = "k8s"
_OPERATOR = "prometheus-operator"
_OPTIONAL_SECRETS = ("BILLING_ENCRYPTION_KEY", "STRIPE_SECRET_KEY")
_REDIS = "REDIS_URL"
_BILLING_YML = "# Everything is as docs/settings.md says that it is by default.\n{}\n"


def build(
    config: Config, webhooks: Webhooks | None = None, billing_yml: str = _BILLING_YML
) -> dict[str, str]:
    """{path: text} for a deployment; `billing_yml` is the file that `config` was read from."""
    written = rules.build.rule_files(config)
    exporter = [
        *workload(config, PRODUCTION, billing_yml),
        *monitoring.discovery(PRODUCTION),
        *monitoring.dashboard_maps(config),
    ]
    operator = [
        monitoring.service_monitor(config, PRODUCTION),
        *monitoring.prometheus_rules(written, PRODUCTION),
    ]
    rule_files = monitoring.rules_map(written)
    texts = _kustomization("base", exporter)
    texts |= _kustomization("monitoring", [rule_files])
    texts |= _component(_OPERATOR, resources=operator)
    texts |= _component("ingress", resources=ingress(config))
    for name in _OPTIONAL_SECRETS:
        texts |= _component(secret_key(name), patches=[secret_patch(name)])
    texts |= _component(
        secret_key(_REDIS), resources=[redis_policy()], patches=[secret_patch(_REDIS)]
    )
    for stage in STAGES:
        texts |= _overlays(config, stage, webhooks or Webhooks())
    texts |= _file("reload/prometheus.yml", monitoring.prometheus_reloader())
    texts |= _file("reload/alertmanager.yml", monitoring.alertmanager_reloader())
    mounted = [rule_files, *_mounted(config, PRODUCTION, webhooks or Webhooks())]
    return texts | _rendered(exporter, operator, mounted)


def _overlays(config: Config, stage: Stage, webhooks: Webhooks) -> dict[str, str]:
    texts = _kustomization(
        f"overlays/{stage.name}",
        [_namespace(stage)],
        []
        if stage is PRODUCTION
        else [*stage_patches(config, stage), monitoring.discovery_patch(stage)],
        more={
            "namespace": stage.namespace,
            "resources": ["../../base"],
            "images": [{"name": NAME, "newTag": __version__}],
        },
    )
    texts |= _kustomization(
        f"overlays/{stage.name}-operator",
        [],
        [*operator_patches(config, stage), *_release_patches(stage)],
        more={
            "namespace": stage.namespace,
            "resources": [f"../{stage.name}"],
            "components": [f"../../components/{_OPERATOR}"],
        },
    )
    configuration = monitoring.alertmanager_file(config, stage, webhooks)
    texts[f"{FOLDER}/overlays/{stage.name}-operator/alertmanager.yml"] = configuration
    texts |= _kustomization(
        f"overlays/{stage.name}-prometheus/monitoring",
        _mounted(config, stage, webhooks),
        more={"namespace": stage.monitoring, "resources": ["../../../monitoring"]},
    )
    return texts | _kustomization(
        f"overlays/{stage.name}-prometheus",
        [],
        more={"resources": [f"../{stage.name}", "monitoring"]},
    )


def _rendered(
    exporter: Sequence[Object], operator: Sequence[Object], mounted: Sequence[Object]
) -> dict[str, str]:
    """Production as `kubectl kustomize` has it, an object a file."""
    stage = PRODUCTION
    groups = {
        "generated": [_namespace(stage), *within(stage.namespace, exporter)],
        f"generated/{_OPERATOR}": within(stage.namespace, operator),
        "generated/prometheus": within(stage.monitoring, mounted),
    }
    texts: dict[str, str] = {}
    for folder, objects in groups.items():
        for one in objects:
            texts |= _file(f"{folder}/{file_name(one)}", one)
    return texts


def _mounted(config: Config, stage: Stage, webhooks: Webhooks) -> list[Object]:
    """What is different from stage to stage."""
    return [
        monitoring.scrape_map(config, stage),
        monitoring.alertmanager_map(config, stage, webhooks),
    ]


def _namespace(stage: Stage) -> Object:
    """What runs in it has to keep to the strictest of Kubernetes' standards."""
    standard = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": stage.namespace, "labels": LABELS | standard},
    }


def _release_patches(stage: Stage) -> list[dict[str, Any]]:
    """Another label for what a Prometheus of the operator looks for."""
    if stage is PRODUCTION:
        return []
    change = [{"op": "replace", "path": "/metadata/labels/release", "value": stage.release}]
    kinds = "ServiceMonitor|PrometheusRule"
    return [{"target": {"kind": kinds}, "patch": dump(change)}]


def _component(
    name: str, *, resources: Sequence[Object] = (), patches: Sequence[Object] = ()
) -> dict[str, str]:
    kind = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    return _kustomization(f"components/{name}", resources, patches, kind=kind)


def _kustomization(
    folder: str,
    objects: Sequence[Object],
    patches: Sequence[Mapping[str, Any]] = (),
    *,
    kind: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """A folder with a file for each object and each patch, and what puts them together. `more` may
    begin its resources. A patch with a `target` stands in the kustomization itself.
    """
    head: dict[str, Any] = dict(
        kind or {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    )
    head |= more or {}
    texts: dict[str, str] = {}
    names = [file_name(one) for one in objects]
    for name, one in zip(names, objects, strict=True):
        texts |= _file(f"{folder}/{name}", one)
    if resources := [*head.pop("resources", []), *names]:
        head["resources"] = resources
    listed = []
    for patch in patches:
        if "target" in patch:
            listed.append(dict(patch))
            continue
        name = f"patch-{patch['kind'].lower()}.yml"
        texts |= _file(f"{folder}/{name}", patch)
        listed.append({"path": name})
    if listed:
        head["patches"] = listed
    return texts | _file(f"{folder}/kustomization.yml", head)


def _file(path: str, content: Mapping[str, Any]) -> dict[str, str]:
    return {f"{FOLDER}/{path}": dump(dict(content))}
