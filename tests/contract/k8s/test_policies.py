"""Whom the exporter's pods may reach, and who may reach them."""

from pathlib import Path

import yaml

from tests.support.kubernetes import (
    K8S,
    STAGES,
    Object,
    containers,
    kustomize,
    one_of,
    overlay,
)


def test_a_pod_may_reach_all_that_verify_asks_and_the_redis_that_it_is_told_of(
    tmp_path: Path,
) -> None:
    for stage in STAGES:
        policy = one_of(overlay(stage), "NetworkPolicy")["spec"]
        replicas = {"podSelector": policy["podSelector"]}
        (entry,) = policy["ingress"]
        assert replicas in entry["from"]
        assert by_port(policy, replicas) == {("TCP", "http")}
        (watchers,) = (one for one in entry["from"] if one.keys() == {"namespaceSelector"})
        # Alertmanager, Prometheus, Grafana.
        assert by_port(policy, watchers) == {("TCP", port) for port in (9093, 9090, 3000)}
        names = {(protocol, port) for protocol in ("TCP", "UDP") for port in (53, 5353)}
        assert names <= by_port(policy, None)
        assert ("TCP", 6379) not in by_port(policy, None)
    (tmp_path / "k8s").symlink_to(K8S)
    own = {"resources": ["k8s/overlays/production"], "components": ["k8s/components/redis-url"]}
    (tmp_path / "kustomization.yml").write_text(yaml.safe_dump(own))
    objects = kustomize(tmp_path)
    redis = one_of(objects, "NetworkPolicy", "billing-exporter-redis")["spec"]
    assert by_port(redis, None) == {("TCP", 6379)}
    assert redis["podSelector"] == one_of(objects, "NetworkPolicy")["spec"]["podSelector"]
    (container,) = containers(objects)
    given = {one["name"]: one.get("value") for one in container["env"]}
    assert given["REDIS_URL_FILE"] == "/etc/billing-exporter-secrets/redis-url"


def by_port(policy: Object, to: Object | None) -> set[tuple[str, str | int]]:
    """Protocols and ports that a policy lets out to these, or to anybody."""
    wanted = [to] if to else None
    return {
        (port["protocol"], port["port"])
        for rule in policy["egress"]
        if rule.get("to") == wanted
        for port in rule["ports"]
    }
