"""The exporter starts with what its pod gives it: these variables, files and folders."""

import shutil
import tempfile
from pathlib import Path

from exporter.settings import SETTINGS
from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.kubernetes import K8S, Object, one_of, read_objects
from tests.support.stripe import WEBHOOK_SECRET
from tests.support.telemetry import payment
from tests.support.waiting import wait_until


def mount(volume: Path, files: dict[str, str]) -> None:
    """Files as the kubelet mounts them: links that lead through `..data` to a folder."""
    volume.mkdir(parents=True, exist_ok=True)
    version = Path(tempfile.mkdtemp(prefix="..", dir=volume))
    for name, text in files.items():
        (version / name).write_text(text)
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    (volume / "..next").symlink_to(version.name)
    (volume / "..next").replace(volume / "..data")


def variables(container: Object, pod_name: str, root: Path) -> dict[str, str]:
    """The container's environment, with its folders below `root`."""
    found = {}
    for one in container["env"]:
        if "valueFrom" in one:
            assert one["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        text = one.get("value", pod_name)
        found[one["name"]] = f"{root}{text}" if text.startswith("/") else text
    return found


def test_the_pod_has_all_that_the_exporter_needs(tmp_path: Path, database_url: str) -> None:
    objects = read_objects(K8S / "generated")
    pod = one_of(objects, "StatefulSet")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    places = {
        one["name"]: Path(f"{tmp_path}{one['mountPath']}") for one in container["volumeMounts"]
    }
    given = variables(container, "billing-exporter-1", tmp_path)
    declared = {setting.name: setting for setting in SETTINGS}
    assert {name.removesuffix("_FILE") for name in given} <= declared.keys()
    # No secret's value stands in the manifest.
    assert not [name for name in given if name in declared and declared[name].secret]
    secrets = {
        "billing-admin-key": ADMIN_KEY,
        "database-url": database_url,
        "stripe-webhook-secret": WEBHOOK_SECRET,
    }
    named = {name: Path(path) for name, path in given.items() if name.endswith("_FILE")}
    assert {path.name for path in named.values()} == secrets.keys()
    assert {path.parent for path in named.values()} == {places["secrets"]}
    mount(places["config"], one_of(objects, "ConfigMap")["data"])
    mount(places["secrets"], secrets)
    assert given["BILLING_DATA_DIR"] == str(places["data"])
    assert given["BILLING_LISTEN_ADDRESS"].endswith(":9568")
    given["BILLING_LISTEN_ADDRESS"] = "127.0.0.1:0"
    assert container["args"] == ["serve"]
    with ExporterProcess(places["data"], None, given) as process:
        process.wait_ready()
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            assert process.session.get(process.url + path, timeout=5).status_code == 200
        assert process.send_events(payment()).ok
        assert (
            'replica="billing-exporter-1"'
            in process.session.get(f"{process.url}/metrics", timeout=5).text
        )
        # Another key, as the kubelet swaps it in.
        mount(places["secrets"], secrets | {"billing-admin-key": "another-key-of-the-operator"})
        wait_until(
            lambda: process.send_events(payment(), key="another-key-of-the-operator").ok,
            10,
            "the new key holds",
        )
        process.stop()
    # All that it wrote is in the two folders that it may write to.
    assert (places["data"] / "replica-billing-exporter-1.json").is_file()
    shutil.rmtree(places["data"])
    written = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {path.parent.parent for path in written} <= {places["config"], places["secrets"]}
