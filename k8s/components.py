"""What an installation may have besides, each by itself."""

from urllib.parse import urlsplit

from exporter.domain.access import Keyless
from exporter.settings import Config
from exporter.web.access import ROUTES
from k8s.objects import NAME, SELECTOR, Object, named
from k8s.workload import patch_of_pods, secret_variables

# Anybody may see these pages; the others that ask for no key are for this cluster's own eyes.
_STATUS = "/status"
# The Ingress controller's namespace, and the class that its chart gives it.
_CONTROLLER = "ingress-nginx"
_CLASS = "nginx"
_REDIS_PORT = 6379


def public_paths() -> list[str]:
    """What has to be reachable from outside: what Stripe calls, and the status page."""
    return [
        route.path
        for route in ROUTES
        if route.need is Keyless.SIGNATURE
        or (route.need is Keyless.OPEN and route.path.partition(".")[0] == _STATUS)
    ]


def ingress(config: Config) -> list[Object]:
    """The public paths at the host that links lead to, and the way for the controller."""
    host = urlsplit(config.alerts.links.exporter).hostname
    backend = {"service": {"name": NAME, "port": {"name": "http"}}}
    paths = [{"path": path, "pathType": "Exact", "backend": backend} for path in public_paths()]
    spec = {
        "ingressClassName": _CLASS,
        "tls": [{"hosts": [host], "secretName": f"{NAME}-tls"}],
        "rules": [{"host": host, "http": {"paths": paths}}],
    }
    controller = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": _CONTROLLER}}
    }
    policy = {
        "podSelector": {"matchLabels": dict(SELECTOR)},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [controller], "ports": [{"protocol": "TCP", "port": "http"}]}],
    }
    return [
        named("networking.k8s.io/v1", "Ingress", NAME, spec=spec),
        named("networking.k8s.io/v1", "NetworkPolicy", f"{NAME}-ingress", spec=policy),
    ]


def redis_policy() -> Object:
    """The way to Redis or Valkey, wherever it is."""
    spec = {
        "podSelector": {"matchLabels": dict(SELECTOR)},
        "policyTypes": ["Egress"],
        "egress": [{"ports": [{"protocol": "TCP", "port": _REDIS_PORT}]}],
    }
    return named("networking.k8s.io/v1", "NetworkPolicy", f"{NAME}-redis", spec=spec)


def secret_patch(name: str) -> Object:
    """Another key of the Secret, for a variable that the exporter does without."""
    return patch_of_pods({"env": secret_variables(name)})
