"""How Prometheus and Alertmanager come to know the exporter and its rules: as the operator's
objects, and as ConfigMaps and patches for servers without the operator.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

import alertmanager.build
import dashboards.build
from exporter.settings import Config, Webhooks
from k8s.objects import NAME, SELECTOR, Object, config_map, named
from k8s.stages import ALERTMANAGER_FOLDER, ALERTMANAGER_SECRETS, Stage, config_of
from k8s.workload import SCRAPED
from rules.text import dump

RULES = "billing-rules"
SCRAPE = "billing-scrape"
ALERTMANAGER = "billing-alertmanager"
PROMETHEUS_FOLDER = "/etc/prometheus/billing"
# What the ServiceAccount of a Prometheus is called until a deployment says otherwise.
PROMETHEUS_ACCOUNT = "prometheus"
# Prometheus and Alertmanager read nothing again by themselves: it watches, and tells them to.
RELOADER_IMAGE = "quay.io/prometheus-operator/prometheus-config-reloader:v0.93.0"
# What the operator adds to every series. The pod is in `instance`; the others would make a new
# series of each replica whenever it is moved, or one for each way of scraping it.
_DROPPED_LABELS = "container|endpoint|namespace|node|pod|service"
_RBAC = "rbac.authorization.k8s.io"
_DISCOVERY = f"{NAME}-discovery"
_INTERVAL = "15s"
_TIMEOUT = "10s"


def relabelings(config: Config) -> list[dict[str, Any]]:
    """What makes a target's labels `job` and `instance`, and no other, in the operator's words."""
    return [
        {
            "action": "replace",
            "sourceLabels": ["__meta_kubernetes_pod_name"],
            "targetLabel": "instance",
        },
        {"action": "replace", "targetLabel": "job", "replacement": config.alerts.job},
        {"action": "labeldrop", "regex": _DROPPED_LABELS},
    ]


def discovery(stage: Stage) -> list[Object]:
    """What lets a Prometheus look for the replicas, with the operator or without it."""
    verbs = ["get", "list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "pods", "services"], "verbs": verbs},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs},
    ]
    role = {"apiGroup": _RBAC, "kind": "Role", "name": _DISCOVERY}
    binding = named(f"{_RBAC}/v1", "RoleBinding", _DISCOVERY, roleRef=role)
    return [
        named(f"{_RBAC}/v1", "Role", _DISCOVERY, rules=rules),
        binding | {"subjects": _watchers(stage)},
    ]


def discovery_patch(stage: Stage) -> Object:
    """The same for the Prometheus of another stage than the one that the base is for."""
    head = {"apiVersion": f"{_RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": _DISCOVERY}}
    return head | {"subjects": _watchers(stage)}


def service_monitor(config: Config, stage: Stage) -> Object:
    """For the Prometheus of the operator that looks for the stage's `release`."""
    endpoint = {
        "port": "http",
        "path": "/metrics",
        "interval": _INTERVAL,
        "scrapeTimeout": _TIMEOUT,
        "relabelings": relabelings(config),
    }
    found = named(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        NAME,
        spec={"selector": {"matchLabels": SELECTOR | SCRAPED}, "endpoints": [endpoint]},
    )
    found["metadata"]["labels"]["release"] = stage.release
    return found


def prometheus_rules(rules: Mapping[str, str], stage: Stage) -> list[Object]:
    """The `rules` that `make rules` writes for the operator, with our labels."""
    found = []
    for text in _texts(rules, r"prometheus-rule.*\.yml").values():
        rule = yaml.load(text, Loader=yaml.CSafeLoader)
        one = named(rule["apiVersion"], rule["kind"], rule["metadata"]["name"], spec=rule["spec"])
        one["metadata"]["labels"]["release"] = stage.release
        found.append(one)
    return found


def rules_map(rules: Mapping[str, str]) -> Object:
    """The files among the `rules`, for a Prometheus without the operator."""
    return config_map(RULES, _texts(rules, r".*\.rules\.yml"))


def scrape_map(config: Config, stage: Stage) -> Object:
    """A configuration for it, and by itself the job that one of its own may include."""
    job = {
        "job_name": config.alerts.job,
        "scrape_interval": _INTERVAL,
        "scrape_timeout": _TIMEOUT,
        "metrics_path": "/metrics",
        "kubernetes_sd_configs": [
            {
                "role": "pod",
                "namespaces": {"names": [stage.namespace]},
                "selectors": [
                    {
                        "role": "pod",
                        "label": ",".join(f"{key}={value}" for key, value in SELECTOR.items()),
                    }
                ],
            }
        ],
        "relabel_configs": [
            {
                "action": "keep",
                "source_labels": ["__meta_kubernetes_pod_container_port_name"],
                "regex": "http",
            },
            *map(_as_prometheus_has_it, relabelings(config)),
        ],
    }
    files = {
        "billing.scrape.yml": dump({"scrape_configs": [job]}),
        "prometheus.yml": dump(_whole(config, stage)),
    }
    return config_map(SCRAPE, files)


def alertmanager_map(config: Config, stage: Stage, webhooks: Webhooks) -> Object:
    """Alertmanager's configuration and templates, side by side in one folder."""
    built = alertmanager.build.build(config_of(stage, config), webhooks)
    files = _texts(built, r".*\.tmpl")
    return config_map(ALERTMANAGER, {"alertmanager.yml": _flat(built)} | files)


def alertmanager_file(config: Config, stage: Stage, webhooks: Webhooks) -> str:
    """The same configuration alone, for the Secret that the operator's Alertmanager reads."""
    return _flat(alertmanager.build.build(config_of(stage, config), webhooks))


def dashboard_maps(config: Config) -> list[Object]:
    """A ConfigMap each, as Grafana's sidecar looks for them."""
    texts = dashboards.build.build(config)
    found = []
    for path in sorted(texts):
        file = PurePosixPath(path)
        if file.parent.name == "provisioned":
            name = f"dashboard-{file.stem}"
            one = config_map(name, {file.name: texts[path]}, grafana_dashboard="1")
            one["metadata"]["annotations"] = {"grafana_folder": "Billing"}
            found.append(one)
    return found


def prometheus_reloader() -> dict[str, Any]:
    """A patch for the Deployment or StatefulSet of a Prometheus without the operator."""
    sources = [{"configMap": {"name": name}} for name in (RULES, SCRAPE)]
    volume = {"name": "billing", "projected": {"sources": sources}}
    return _reloader("prometheus", PROMETHEUS_FOLDER, 9090, volume)


def alertmanager_reloader() -> dict[str, Any]:
    """The same for Alertmanager, with the secrets that its configuration names."""
    volume = {"name": "billing", "configMap": {"name": ALERTMANAGER}}
    # They are read at each message, so nothing has to be told of another one.
    secrets = {"name": "billing-secrets", "secret": {"secretName": ALERTMANAGER}}
    found = _reloader("alertmanager", ALERTMANAGER_FOLDER, 9093, volume)
    pod = found["spec"]["template"]["spec"]
    pod["containers"][0]["volumeMounts"].append(_mount(secrets, ALERTMANAGER_SECRETS))
    pod["volumes"].append(secrets)
    return found


def _watchers(stage: Stage) -> list[dict[str, str]]:
    account = {"kind": "ServiceAccount", "name": PROMETHEUS_ACCOUNT}
    return [account | {"namespace": stage.monitoring}]


def _whole(config: Config, stage: Stage) -> dict[str, Any]:
    """All that a Prometheus needs that looks after nothing else: rules, the job of the exporter,
    where alerts go, and what it and Alertmanager tell of themselves, which rules ask for.
    """
    found = config_of(stage, config)
    built = alertmanager.build.build(found)
    alerting = built[f"{alertmanager.build.FOLDER}/prometheus-alerting.yml"]
    targets = {"prometheus": ["127.0.0.1:9090"], "alertmanager": [*found.alertmanager.addresses]}
    return {
        "global": {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL},
        "rule_files": [f"{PROMETHEUS_FOLDER}/*.rules.yml"],
        "scrape_config_files": [f"{PROMETHEUS_FOLDER}/*.scrape.yml"],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": those}]}
            for name, those in targets.items()
        ],
        **yaml.load(alerting, Loader=yaml.CSafeLoader),
    }


def _mount(volume: Mapping[str, Any], folder: str) -> dict[str, Any]:
    # Never with subPath: such a file stays as it was when the pod started.
    return {"name": volume["name"], "mountPath": folder, "readOnly": True}


def _reloader(server: str, folder: str, port: int, volume: dict[str, Any]) -> dict[str, Any]:
    mount = _mount(volume, folder)
    sidecar = {
        "name": "billing-reloader",
        "image": RELOADER_IMAGE,
        "args": [
            f"--watched-dir={folder}",
            f"--reload-url=http://127.0.0.1:{port}/-/reload",
            # A configuration that was refused is tried again this often.
            "--retry-interval=5s",
        ],
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"memory": "64Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65534,
        },
        "volumeMounts": [mount],
    }
    containers = [{"name": server, "volumeMounts": [mount]}, sidecar]
    return {"spec": {"template": {"spec": {"containers": containers, "volumes": [volume]}}}}


def _as_prometheus_has_it(relabeling: Mapping[str, Any]) -> dict[str, Any]:
    """`source_labels` for `sourceLabels`."""
    return {
        re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key): value
        for key, value in relabeling.items()
    }


def _flat(built: Mapping[str, str]) -> str:
    """The configuration for a folder without folders in it, where a ConfigMap or Secret is."""
    text = built[alertmanager.build.WITH_FILES]
    inner = "- templates/*.tmpl\n"
    assert inner in text
    return text.replace(inner, f"- {ALERTMANAGER_FOLDER}/*.tmpl\n")


def _texts(built: Mapping[str, str], names: str) -> dict[str, str]:
    """The texts of files whose names match, by these names."""
    found = {PurePosixPath(path).name: text for path, text in sorted(built.items())}
    return {name: text for name, text in found.items() if re.fullmatch(names, name)}
