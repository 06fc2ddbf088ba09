"""`make k8s` for a deployment: built from its billing.yml, with no secret in any file."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import yaml

from tests.support.canaries import Canaries
from tests.support.kubernetes import Object, containers, kustomize, one_of, overlay
from tests.support.tree import PROJECT

BILLING_YML = """\
# Our own.
namespace: acme
stripe: {webhooks: false}
alerts:
  job: billing
  links: {exporter: 'https://billing.acme.example'}
alertmanager:
  addresses: ['alertmanager-main-0.alertmanager-operated.monitoring.svc:9093']
  internal_hosts: [127.0.0.1]
"""
# By the variable: what its value looks like.
SECRETS = {
    "BILLING_ADMIN_KEY": "{}",
    "BILLING_ENCRYPTION_KEY": "{}",
    "BILLING_HEARTBEAT_URL": "http://127.0.0.1:9/{}",
    "CUSTOM_WEBHOOKS": "http://127.0.0.1:9/{}",
    "DATABASE_URL": "postgresql://billing:{}@db.example.com/billing",
    "GRAFANA_TOKEN": "glsa_{}",
    "STRIPE_SECRET_KEY": "sk_live_{}",
    "STRIPE_WEBHOOK_SECRET": "whsec_{}",
}


def make_k8s(folder: Path, text: str, **environment: str) -> Path:
    """The folder `k8s` of a deployment with this billing.yml."""
    config, out = folder / "billing.yml", folder / "deploy"
    config.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["make", "k8s", f"CONFIG={config}", f"OUT={out}"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return out / "k8s"


def test_a_deployment_has_its_own_configuration_and_no_secret(tmp_path: Path) -> None:
    canaries = Canaries()
    given = {name: canaries.make(name, form) for name, form in SECRETS.items()}
    k8s = make_k8s(tmp_path, BILLING_YML, **given)
    objects = kustomize(k8s / "overlays" / "production-prometheus")
    # Word for word, so that its comments are there, too.
    config = one_of(objects, "ConfigMap")["data"]["billing.yml"]
    assert config == BILLING_YML
    pod = one_of(objects, "StatefulSet")["spec"]["template"]
    digest = hashlib.sha256(BILLING_YML.encode()).hexdigest()
    assert digest in pod["metadata"]["annotations"].values()
    (container,) = containers(objects)
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert environment["ALERTMANAGER_URL"] == (
        "http://alertmanager-main-0.alertmanager-operated.monitoring.svc:9093"
    )
    assert "STRIPE_WEBHOOK_SECRET_FILE" not in environment
    rules = one_of(objects, "ConfigMap", "billing-rules")["data"]
    assert "acme_billing_payment_processed_total" in "".join(rules.values())
    scrape = one_of(objects, "ConfigMap", "billing-scrape")["data"]["billing.scrape.yml"]
    assert yaml.safe_load(scrape)["scrape_configs"][0]["job_name"] == "billing"
    alertmanager = one_of(objects, "ConfigMap", "billing-alertmanager")["data"]
    assert custom_webhooks(yaml.safe_load(alertmanager["alertmanager.yml"])) == [
        "/etc/alertmanager/secrets/billing-alertmanager/custom-webhook-1",
        "/etc/alertmanager/secrets/billing-alertmanager/heartbeat",
    ]
    canaries.note_files(k8s, besides=())
    canaries.note("what kustomize renders", json.dumps(objects))
    assert canaries.noted > 1_000_000
    assert canaries.hits() == []


def custom_webhooks(config: Object) -> list[str]:
    """The files with addresses that a configuration of Alertmanager names."""
    return [
        webhook["url_file"]
        for receiver in config["receivers"]
        for webhook in receiver.get("webhook_configs", ())
        if "url_file" in webhook
    ]


def test_no_manifest_is_a_secret_and_every_secret_is_a_file() -> None:
    files = [*(PROJECT / "k8s").rglob("*.yml")]
    assert len(files) > 50
    for file in files:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        assert content.get("kind") != "Secret", file
        for container in containers([content]):
            assert "envFrom" not in container
            assert "secretKeyRef" not in json.dumps(container.get("env"))
    objects = overlay("production")
    pod = one_of(objects, "StatefulSet")["spec"]["template"]["spec"]
    referred = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    assert referred == ["billing-exporter"]
