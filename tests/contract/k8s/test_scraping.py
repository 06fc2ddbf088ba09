"""However a replica is found in a cluster, its series have the labels that rules lean on."""

import re
import subprocess
from pathlib import Path

import yaml

from exporter.settings import Config
from tests.support.kubernetes import K8S, STAGES, Object, containers, one_of, overlay
from tests.support.prometheus import PrometheusServer
from tests.support.tools import find_tool
from tests.support.waiting import wait_until

# What discovery tells of a pod, and what the operator writes beside it before it relabels.
DISCOVERED = {
    "__meta_kubernetes_pod_name": "billing-exporter-1",
    "__meta_kubernetes_pod_container_port_name": "http",
    "__meta_kubernetes_pod_node_name": "node-7",
    "__meta_kubernetes_pod_ip": "10.1.2.3",
    "__meta_kubernetes_namespace": "billing",
}
WRITTEN_BY_OPERATOR = {
    "job": "billing-exporter-pods",
    "namespace": "billing",
    "service": "billing-exporter-pods",
    "pod": "billing-exporter-1",
    "container": "exporter",
    "endpoint": "http",
    "node": "node-7",
}


def scrape_file(stage: str) -> str:
    found = one_of(overlay(f"{stage}-prometheus"), "ConfigMap", "billing-scrape")
    return str(found["data"]["billing.scrape.yml"])


def scrape_job(stage: str) -> Object:
    (job,) = yaml.safe_load(scrape_file(stage))["scrape_configs"]
    assert isinstance(job, dict)
    return job


def monitor(stage: str) -> Object:
    """The one endpoint of a stage's ServiceMonitor."""
    objects = overlay(f"{stage}-operator")
    found = one_of(objects, "ServiceMonitor")
    (endpoint,) = found["spec"]["endpoints"]
    assert isinstance(endpoint, dict)
    # It picks out one Service, or every replica would be scraped twice.
    wanted = found["spec"]["selector"]["matchLabels"].items()
    services = [one for one in objects if one["kind"] == "Service"]
    picked = [one for one in services if wanted <= one["metadata"]["labels"].items()]
    assert len(services) == 2
    assert [one["spec"]["clusterIP"] for one in picked] == ["None"]
    assert endpoint["port"] in {port["name"] for port in picked[0]["spec"]["ports"]}
    return endpoint


def as_prometheus_has_it(relabelings: list[Object]) -> list[Object]:
    """The operator's words in Prometheus' spelling."""
    return [
        {re.sub("([A-Z])", r"_\1", key).lower(): value for key, value in one.items()}
        for one in relabelings
    ]


def test_the_operator_relabels_as_the_scrape_configuration_does() -> None:
    for stage in STAGES:
        job, endpoint = scrape_job(stage), monitor(stage)
        keep, *rest = job["relabel_configs"]
        assert keep["action"] == "keep"
        assert as_prometheus_has_it(endpoint["relabelings"]) == rest
        assert endpoint["interval"] == job["scrape_interval"]
        assert endpoint["scrapeTimeout"] == job["scrape_timeout"]
        assert endpoint["path"] == job["metrics_path"]
        (discovery,) = job["kubernetes_sd_configs"]
        (namespace,) = discovery["namespaces"]["names"]
        assert (namespace == "billing") == (stage == "production")


def test_prometheus_takes_the_scrape_configuration(tmp_path: Path) -> None:
    for stage in STAGES:
        job = scrape_job(stage)
        # Distributions build it without this kind of discovery; test_operator checks its fields.
        del job["kubernetes_sd_configs"]
        file = tmp_path / f"{stage}.yml"
        file.write_text(yaml.safe_dump({"scrape_configs": [job]}))
        check(file)


def check(file: Path) -> str:
    """What promtool says of a configuration that is good."""
    done = subprocess.run(
        [find_tool("promtool"), "check", "config", file],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_whole_configuration_which_leads_to_every_alertmanager(
    tmp_path: Path,
) -> None:
    for stage in STAGES:
        objects = overlay(f"{stage}-prometheus")
        data = one_of(objects, "ConfigMap", "billing-scrape")["data"]
        whole = yaml.safe_load(data["prometheus.yml"])
        (managers,) = whole["alerting"]["alertmanagers"]
        (container,) = containers(objects)
        (told,) = (one["value"] for one in container["env"] if one["name"] == "ALERTMANAGER_URL")
        (group,) = managers["static_configs"]
        assert group["targets"] == [address.removeprefix("http://") for address in told.split(",")]
        jobs = {job["job_name"]: job["static_configs"][0] for job in whole["scrape_configs"]}
        assert jobs == {"prometheus": {"targets": ["127.0.0.1:9090"]}, "alertmanager": group}
        # A name that is there twice would be refused.
        assert scrape_job(stage)["job_name"] not in jobs
        patch = yaml.safe_load((K8S / "reload" / "prometheus.yml").read_text())
        folder = next(containers([patch]))["volumeMounts"][0]["mountPath"]
        assert whole["rule_files"] == [f"{folder}/*.rules.yml"]
        # The oldest Prometheus can't include files.
        assert whole.pop("scrape_config_files") == [f"{folder}/*.scrape.yml"]
        rules = one_of(objects, "ConfigMap", "billing-rules")["data"]
        for name, text in rules.items():
            (tmp_path / name).write_text(text)
        file = tmp_path / f"{stage}.yml"
        file.write_text(yaml.safe_dump({**whole, "rule_files": [f"{tmp_path}/*.rules.yml"]}))
        checked = check(file)
        assert f"{len(rules)} rule files found" in checked


def test_a_prometheus_may_look_for_the_pods_and_nothing_else() -> None:
    for stage in STAGES:
        objects = overlay(stage)
        (namespace,) = (one["metadata"]["name"] for one in objects if one["kind"] == "Namespace")
        role, binding = (
            one_of(objects, kind, "billing-exporter-discovery") for kind in ("Role", "RoleBinding")
        )
        assert {one["metadata"]["namespace"] for one in (role, binding)} == {namespace}
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        watched = one_of(overlay(f"{stage}-prometheus"), "ConfigMap", "billing-scrape")
        monitoring = watched["metadata"]["namespace"]
        account = {"kind": "ServiceAccount", "name": "prometheus", "namespace": monitoring}
        assert binding["subjects"] == [account]
        allowed = {
            (group, resource)
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
        }
        # By the operator's discovery, of either kind, and by that of the pods alone.
        assert allowed == {
            ("", "endpoints"),
            ("", "pods"),
            ("", "services"),
            ("discovery.k8s.io", "endpointslices"),
        }
        verbs = {verb for rule in role["rules"] for verb in rule["verbs"]}
        assert verbs == {"get", "list", "watch"}


def test_the_pods_name_is_the_instance_and_no_label_is_of_a_machine(tmp_path: Path) -> None:
    labels = DISCOVERED | WRITTEN_BY_OPERATOR
    job = {
        # Nobody listens there: `up` has the target's labels all the same.
        "static_configs": [{"targets": ["127.0.0.1:1"], "labels": labels}],
        "relabel_configs": scrape_job("production")["relabel_configs"],
    }
    with PrometheusServer(tmp_path, "", job) as prometheus:
        (found,) = wait_until(lambda: prometheus.query("up"), 20, "a scrape")
    assert found["metric"] == {
        "__name__": "up",
        "instance": "billing-exporter-1",
        "job": Config().alerts.job,
    }
