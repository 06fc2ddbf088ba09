"""`make run` in a fresh copy, by what it prints and on the port that it promises."""

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.postgres import postmaster_of, reachable_folder
from tests.support.scrape import parse
from tests.support.terminal import Terminal
from tests.support.tree import copy_project
from tests.support.waiting import wait_until

PORT = 9568
URL = f"http://127.0.0.1:{PORT}"
INSTALLATION_SECONDS = 300.0
START_SECONDS = 10.0
STOP_SECONDS = 30.0
# What a person may have set for a deployment of their own must not reach the copy.
SETTINGS = re.compile(r"BILLING_|DATABASE_URL|STRIPE_|DEBUG$|MAKE|MFLAGS|VIRTUAL_ENV|PYTHONPATH")


@pytest.fixture
def environment() -> dict[str, str]:
    """The tests' own, with nothing configured."""
    return {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}


@pytest.fixture
def copy() -> Iterator[Path]:
    """The project's files in an otherwise empty folder, with the port of `make run` free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            pytest.fail(
                f"Port {PORT} of 127.0.0.1 is taken on this machine, and `make run` has to answer "
                f"there. Stop what listens on it (ss -ltnp 'sport = {PORT}'), then test again."
            )
    with reachable_folder() as folder:
        copy_project(folder / "project")
        yield folder / "project"


def answers() -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{URL}/-/ready", timeout=5).status_code == 200
    return False


def start(terminal: Terminal, copy: Path) -> float:
    """Wait until it answers; the seconds since its installation ended."""

    def find(what: str, is_there: bool) -> bool:
        assert terminal.process.poll() is None, f"{what}:\n{terminal.text}"
        return is_there

    installed = copy / ".venv" / ".runtime"
    wait_until(
        lambda: find("the installation ended", installed.exists()),
        INSTALLATION_SECONDS,
        "everything is installed",
    )
    begun = time.monotonic()
    wait_until(lambda: find("it ended", answers()), START_SECONDS, f"{URL} answers")
    return time.monotonic() - begun


def first_payment_line(terminal: Terminal) -> str:
    """The line that it prints for people to try."""

    def find() -> str:
        lines = re.findall(r"^curl .*$", terminal.text, re.MULTILINE)
        return lines[-1] if lines else ""

    return wait_until(find, 5, "a curl line is printed")


def payments() -> float:
    return parse(requests.get(f"{URL}/metrics", timeout=5).text).total(
        "billing_payment_processed_total"
    )


def run(line: str, copy: Path, environment: dict[str, str]) -> str:
    answer = subprocess.run(
        ["bash", "-c", line],
        cwd=copy,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return answer.stdout


def processes_of(folder: Path) -> list[str]:
    """What still runs in or from the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            places = ((process / "cwd").readlink(), (process / "exe").readlink())
            command = (process / "cmdline").read_text().replace("\0", " ")
            if any(place.is_relative_to(folder) for place in places) or str(folder) in command:
                found.append(command)
    return found


def assert_ctrl_c_ends_everything(terminal: Terminal, copy: Path) -> None:
    terminal.press_ctrl_c()
    assert terminal.wait(STOP_SECONDS) in (0, 130), terminal.text
    assert "Traceback" not in terminal.text
    assert not answers()
    assert postmaster_of(copy / ".billing") is None
    assert processes_of(copy) == []


def test_make_run_in_a_fresh_copy_takes_the_first_payment_once(
    copy: Path, environment: dict[str, str]
) -> None:
    with Terminal(["make", "run"], copy, environment) as terminal:
        assert start(terminal, copy) <= START_SECONDS
        line = first_payment_line(terminal)
        assert payments() == 0
        assert '"accepted":1' in run(line, copy, environment)
        assert payments() == 1
        assert '"duplicates":1' in run(line, copy, environment)
        assert payments() == 1
        assert_ctrl_c_ends_everything(terminal, copy)

    with Terminal(["make", "run"], copy, environment) as terminal:
        start(terminal, copy)
        assert payments() == 1
        run(first_payment_line(terminal), copy, environment)
        assert payments() == 1
        assert_ctrl_c_ends_everything(terminal, copy)
