"""The demo's files and ports, its past, and its end; tests/e2e/test_dashboards.py runs it all."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from demo.addresses import Addresses, DemoError
from demo.business import Scale
from demo.files import PROJECT, Place, build, read_demo_config
from demo.interrupts import Interrupts
from demo.past import Past
from demo.program import Program
from demo.stack import Stack
from tests.support.alertmanager import amtool, fitting_variant
from tests.support.postgres import postmaster_of, reachable_folder
from tests.support.tools import find_tool
from tests.support.waiting import wait_until

CONFIG = PROJECT / "demo" / "config"
USUAL = re.compile(r"127\.0\.0\.1:(?:9568|9090|9093|1025)\b")


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_at_the_usual_ports_it_runs_with_the_committed_files_byte_for_byte(tmp_path: Path) -> None:
    Place(tmp_path).write(Addresses())
    written = files_below(tmp_path)
    rules = {
        f"prometheus/rules/{file.name}": file.read_bytes()
        for file in (PROJECT / "rules" / "generated").glob("*.rules.yml")
    }
    config = {
        path
        if path.startswith("alertmanager/") or path == "billing.yml"
        else f"prometheus/{path}": text
        for path, text in files_below(CONFIG).items()
    }
    assert written == config | rules
    assert len(rules) > 5


def test_at_other_ports_nothing_names_the_usual_ones(tmp_path: Path) -> None:
    Place(tmp_path).write(Addresses.free())
    named = [path for path, text in files_below(tmp_path).items() if USUAL.search(text.decode())]
    assert named == []


def test_prometheus_and_alertmanager_take_their_files(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write(Addresses())
    checked = subprocess.run(
        [find_tool("promtool"), "check", "config", place.prometheus / "prometheus.yml"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    amtool("check-config", place.alertmanager / Path(fitting_variant()).name)


def test_a_file_of_alertmanagers_is_generated_from_the_billing_yml_of_the_demo() -> None:
    config = read_demo_config()
    (main,) = (text for path, text in build().items() if path.endswith("/alertmanager.yml"))
    assert f"smtp_smarthost: {config.alertmanager.email.smarthost}" in main
    assert f"url: {config.alertmanager.exporter}/api/webhooks/alertmanager" in main
    assert "slack" not in main
    assert "pagerduty_configs" not in main


def test_a_port_that_is_taken_is_replaced_and_told() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 9093))
        except OSError:
            # Then somebody else has it, which is as good.
            found = Addresses.usual_or_free()
        else:
            other.listen()
            found = Addresses.usual_or_free()
    assert found.alertmanager != Addresses().alertmanager
    assert Addresses().alertmanager in found.taken()
    assert replace(Addresses(), mail="127.0.0.1:20001").taken() == [Addresses().mail]


def test_a_past_is_used_again_unless_it_is_another_one_or_long_ago(tmp_path: Path) -> None:
    mark = tmp_path / "past.json"

    def usable(scale: Scale) -> bool:
        return past_of(scale).is_usable()

    def past_of(scale: Scale) -> Past:
        return Past(Stack(Place(tmp_path), Addresses(), Interrupts()), scale, lambda _: None)

    assert not usable(Scale())
    mark.write_text(json.dumps(past_of(Scale()).made_of()))
    assert usable(Scale())
    assert usable(Scale(scenario="dunning"))
    assert not usable(Scale(customers=7))
    two_days_ago = time.time() - 2 * 86_400
    os.utime(mark, (two_days_ago, two_days_ago))
    assert not usable(Scale())
    past_of(Scale()).note_end()
    assert usable(Scale())
    mark.write_text("{")
    assert not usable(Scale())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_others_do_nothing(number: signal.Signals) -> None:
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    done = []
    with Interrupts() as interrupts:

        def hold() -> None:
            with interrupts.held():
                os.kill(os.getpid(), number)
                done.append(number)

        with pytest.raises(KeyboardInterrupt):
            hold()
        os.kill(os.getpid(), signal.SIGTERM)
    assert done == [number]


def test_a_program_that_ends_by_itself_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    def program(script: str, ready_url: str = "") -> Program:
        command = ["/bin/sh", "-c", script]
        return Program("sheller", command, tmp_path, {}, Interrupts(), ready_url)

    with pytest.raises(DemoError, match="sheller ended by itself:\nno such luck"):
        program("echo no such luck; exit 3", "http://127.0.0.1:1/").__enter__()
    with program("echo now; read line; echo gone") as quick:
        assert wait_until(lambda: "now" in quick.log.read_text(), 10, "it began")
        wait_until(lambda: "gone" in quick.log.read_text(), 10, "it is about to end")
        with pytest.raises(DemoError, match="gone"):
            wait_until(lambda: has_ended(quick), 10, "it ended")
    with program("exec sleep 60") as slow:
        slow.check()
    assert not Path(f"/proc/{slow.pid}").exists()


def has_ended(program: Program) -> bool:
    """Never so: DemoError says it."""
    program.check()
    return False


def test_a_start_that_is_interrupted_leaves_nothing_running() -> None:
    small = ("--past", "1h", "--coarse", "--customers", "20", "--free-ports")
    with reachable_folder() as folder:
        place, log = Place(folder / "demo"), folder / "log"
        with log.open("w") as written:
            demo = subprocess.Popen(
                [sys.executable, "-m", "demo", "--folder", place.folder, *small],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
            )
        try:
            wait_until(lambda: "writing" in log.read_text(), 120, "it writes the past")
            assert postmaster_of(place.exporter)
            demo.terminate()
            assert demo.wait(60) == 0, log.read_text()
        finally:
            demo.kill()
            demo.wait()
        assert postmaster_of(place.exporter) is None
        assert [one for one in processes() if str(folder) in one] == []
        assert not (place.folder / "past.json").exists()


def processes() -> list[str]:
    """The command lines of everything that runs."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found
