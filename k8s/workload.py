"""The exporter itself: its pods, and who may reach them."""

import hashlib
from typing import Any

from exporter import __version__
from exporter.settings import Config
from k8s.objects import LABELS, NAME, PORT, SELECTOR, Object, config_map, named
from k8s.stages import Stage, config_of

# The Secret is made by hand; each of its keys is a file of this folder.
SECRET = NAME
SECRETS_FOLDER = "/etc/billing-exporter-secrets"
HEADLESS = f"{NAME}-pods"
# Tells the one Service that is scraped from the one that clients use.
SCRAPED = {"app.kubernetes.io/component": "scrape"}
# Pods with this label, in whatever namespace, may send telemetry and ask for usage.
CLIENT_LABEL = "billing-exporter/client"
_CONFIG_FOLDER = "/etc/billing-exporter"
_DATA_FOLDER = "/data"
# Nobody's in the image.
_USER_ID = 65532
_NAMESPACE_NAME = "kubernetes.io/metadata.name"
_PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
_PRIVATE_6 = ("fc00::/7", "fe80::/10")


def workload(config: Config, stage: Stage, billing_yml: str) -> list[Object]:
    """All of the exporter in a stage, without its namespace."""
    return [
        named("v1", "ServiceAccount", NAME, automountServiceAccountToken=False),
        config_map(NAME, {"billing.yml": billing_yml}),
        _stateful_set(config, stage, billing_yml),
        _service(NAME, {}, {"type": "ClusterIP"}),
        # Prometheus also wants to see what isn't ready.
        _service(HEADLESS, SCRAPED, {"clusterIP": "None", "publishNotReadyAddresses": True}),
        named(
            "policy/v1",
            "PodDisruptionBudget",
            NAME,
            # With one replica, too: a budget that nothing fits into would keep nodes from upgrades.
            spec={
                "maxUnavailable": 1,
                "selector": {"matchLabels": dict(SELECTOR)},
                # A replica that isn't ready may always go.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        ),
        network_policy(stage),
    ]


def stage_patches(config: Config, stage: Stage) -> list[Object]:
    """What another stage than the one that the base is for has in its place."""
    policy = network_policy(stage)
    return [
        patch_of_pods(
            {
                "env": [{"name": "ALERTMANAGER_URL", "value": _alertmanagers(config, stage)}],
                "resources": stage.resources,
            },
            replicas=stage.replicas,
        ),
        {
            **{key: policy[key] for key in ("apiVersion", "kind")},
            "metadata": {"name": NAME},
            "spec": {key: policy["spec"][key] for key in ("ingress", "egress")},
        },
    ]


def operator_patches(config: Config, stage: Stage) -> list[Object]:
    """The Service that the operator makes for its Alertmanagers, whatever they are called; nothing
    if the configuration says where they are.
    """
    if config.alertmanager.addresses != Config().alertmanager.addresses:
        return []
    url = f"http://alertmanager-operated.{stage.monitoring}.svc:9093"
    return [patch_of_pods({"env": [{"name": "ALERTMANAGER_URL", "value": url}]})]


def patch_of_pods(container: dict[str, Any], **spec: Any) -> Object:
    """A patch of the exporter's container, and of the StatefulSet's `spec`."""
    containers = [{"name": "exporter", **container}]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": NAME},
        "spec": {**spec, "template": {"spec": {"containers": containers}}},
    }


def network_policy(stage: Stage) -> Object:
    """Prometheus, Alertmanager, clients and its replicas may reach the exporter; it may reach
    names, PostgreSQL, its replicas, what watches it (for `verify`, too), and public addresses by
    https (Stripe), but no cloud's metadata.
    """
    monitoring = {"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: stage.monitoring}}}
    clients = {"namespaceSelector": {}, "podSelector": {"matchLabels": {CLIENT_LABEL: "true"}}}
    replicas = {"podSelector": {"matchLabels": dict(SELECTOR)}}
    public = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": [*_PRIVATE]}},
        {"ipBlock": {"cidr": "::/0", "except": [*_PRIVATE_6]}},
    ]
    spec = {
        "podSelector": {"matchLabels": dict(SELECTOR)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [monitoring, clients, replicas], "ports": [_tcp("http")]}],
        "egress": [
            # Names; the resolvers of some distributions (OpenShift) listen on 5353.
            {"ports": [_udp(53), _tcp(53), _udp(5353), _tcp(5353)]},
            # PostgreSQL, and a pooler before it, wherever they are.
            {"ports": [_tcp(5432), _tcp(6432)]},
            {"to": [replicas], "ports": [_tcp("http")]},
            # Alertmanager, Prometheus, Grafana.
            {"to": [monitoring], "ports": [_tcp(9093), _tcp(9090), _tcp(3000)]},
            {"to": public, "ports": [_tcp(443)]},
        ],
    }
    return named("networking.k8s.io/v1", "NetworkPolicy", NAME, spec=spec)


def secret_variables(*names: str) -> list[dict[str, Any]]:
    """Environment variables that name the files of the Secret."""
    return [
        {"name": f"{name}_FILE", "value": f"{SECRETS_FOLDER}/{secret_key(name)}"} for name in names
    ]


def secret_key(name: str) -> str:
    """The key in the Secret for an environment variable: `database-url` for DATABASE_URL."""
    return name.lower().replace("_", "-")


def needed_secrets(config: Config) -> tuple[str, ...]:
    """Those that the exporter doesn't start without."""
    stripe = ("STRIPE_WEBHOOK_SECRET",) if config.stripe.webhooks else ()
    return ("BILLING_ADMIN_KEY", "DATABASE_URL", *stripe)


def _tcp(port: str | int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": port}


def _udp(port: int) -> dict[str, Any]:
    return {"protocol": "UDP", "port": port}


def _alertmanagers(config: Config, stage: Stage) -> str:
    addresses = config_of(stage, config).alertmanager.addresses
    return ",".join(f"http://{address}" for address in addresses)


def _service(name: str, labels: dict[str, str], spec: dict[str, Any]) -> Object:
    port = {"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}
    found = named("v1", "Service", name, spec={**spec, "selector": dict(SELECTOR), "ports": [port]})
    found["metadata"]["labels"] |= labels
    return found


def _stateful_set(config: Config, stage: Stage, billing_yml: str) -> Object:
    digest = hashlib.sha256(billing_yml.encode()).hexdigest()
    pod = {
        "metadata": {
            "labels": dict(LABELS),
            # It is read at the start: another one is a rolling restart.
            "annotations": {"billing-exporter/config-sha256": digest},
        },
        "spec": {
            "serviceAccountName": NAME,
            "automountServiceAccountToken": False,
            # Variables made from Services' names would be taken for settings.
            "enableServiceLinks": False,
            # preStop, then 10 s to finish what came before, then a margin.
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER_ID,
                "runAsGroup": _USER_ID,
                "fsGroup": _USER_ID,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": dict(SELECTOR)},
                }
            ],
            "containers": [_container(config, stage)],
            "volumes": [
                {"name": "config", "configMap": {"name": NAME}},
                {"name": "secrets", "secret": {"secretName": SECRET, "defaultMode": 0o440}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
        },
    }
    spec = {
        "serviceName": HEADLESS,
        "replicas": stage.replicas,
        "selector": {"matchLabels": dict(SELECTOR)},
        # Replicas don't wait for each other; an update still takes them one by one.
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
        "minReadySeconds": 5,
        "revisionHistoryLimit": 5,
        "template": pod,
        "volumeClaimTemplates": [_claim()],
    }
    return named("apps/v1", "StatefulSet", NAME, spec=spec)


def _claim() -> Object:
    """Of the folder in which a replica remembers how far its ledger was."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": dict(SELECTOR)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "64Mi"}},
        },
    }


def _container(config: Config, stage: Stage) -> dict[str, Any]:
    variables = {
        "BILLING_CONFIG": f"{_CONFIG_FOLDER}/billing.yml",
        "BILLING_DATA_DIR": _DATA_FOLDER,
        "BILLING_LISTEN_ADDRESS": f"0.0.0.0:{PORT}",
        "BILLING_LOG_FORMAT": "json",
    }
    mounts: dict[str, dict[str, Any]] = {
        "config": {"mountPath": _CONFIG_FOLDER, "readOnly": True},
        "secrets": {"mountPath": SECRETS_FOLDER, "readOnly": True},
        "data": {"mountPath": _DATA_FOLDER},
        "tmp": {"mountPath": "/tmp"},  # noqa: S108 - the pod's own
    }
    return {
        "name": "exporter",
        "image": f"{NAME}:{__version__}",
        "args": ["serve"],
        "env": [
            # First, as kustomize puts what an overlay patches: so pods are the same either way.
            {"name": "ALERTMANAGER_URL", "value": _alertmanagers(config, stage)},
            # The name that its counters go by, and `instance` in Prometheus.
            {
                "name": "BILLING_REPLICA",
                "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
            },
            *({"name": name, "value": value} for name, value in variables.items()),
            *secret_variables(*needed_secrets(config)),
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": stage.resources,
        # Five minutes: the schema of a large ledger may have to be migrated before it answers.
        "startupProbe": _probe("/-/healthy", period=2, failures=150),
        "livenessProbe": _probe("/-/healthy", period=10, failures=6),
        "readinessProbe": _probe("/-/ready", period=5, failures=2),
        # Until everybody has heard that this pod goes.
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": name, **mount} for name, mount in mounts.items()],
    }


def _probe(path: str, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
