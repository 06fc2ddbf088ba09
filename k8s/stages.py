"""The installations that are shipped, and what is different in each."""

from dataclasses import dataclass
from typing import Any

import msgspec

from exporter.settings import Config
from k8s.objects import NAME, PORT

ALERTMANAGER_FOLDER = "/etc/alertmanager/config"
# The operator mounts the Secrets that it is told of below this folder, each by its name.
ALERTMANAGER_SECRETS = "/etc/alertmanager/secrets/billing-alertmanager"


@dataclass(frozen=True)
class Stage:
    """An installation: its namespace, and that of the Prometheus and the Alertmanager that watch
    it. Each stage has its own, as rules judge everything that one Prometheus knows.

    `release` is the label by which a Prometheus of the operator finds its ServiceMonitors.
    """

    name: str
    namespace: str
    monitoring: str
    release: str
    replicas: int
    resources: dict[str, Any]


PRODUCTION = Stage(
    name="production",
    namespace="billing",
    monitoring="monitoring",
    release="prometheus",
    replicas=2,
    # No limit of the CPU: whoever is held back by one answers Stripe late.
    resources={"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
)
STAGING = Stage(
    name="staging",
    namespace="billing-staging",
    monitoring="monitoring-staging",
    release="prometheus-staging",
    replicas=1,
    resources={"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
)
STAGES = (PRODUCTION, STAGING)


def config_of(stage: Stage, config: Config) -> Config:
    """The configuration with the cluster's addresses and paths where it leaves ours as they are
    shipped.
    """
    shipped, given = Config().alertmanager, config.alertmanager
    changes: dict[str, Any] = {}
    if given.exporter == shipped.exporter:
        changes["exporter"] = f"http://{NAME}.{stage.namespace}.svc:{PORT}"
    if given.addresses == shipped.addresses:
        changes["addresses"] = tuple(
            f"{address.partition(':')[0]}.alertmanager.{stage.monitoring}.svc:9093"
            for address in shipped.addresses
        )
    if given.secret_files == shipped.secret_files:
        files = msgspec.structs.asdict(shipped.secret_files)
        changes["secret_files"] = type(shipped.secret_files)(
            **{
                name: path.replace("/etc/alertmanager/secrets", ALERTMANAGER_SECRETS)
                for name, path in files.items()
            }
        )
    changed = msgspec.structs.replace(given, **changes)
    return msgspec.structs.replace(config, alertmanager=changed)
