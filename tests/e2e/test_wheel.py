"""The wheel alone, without the tree it was built from, is the whole exporter."""

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

import exporter
from tests.support.exporter import ExporterProcess
from tests.support.postgres import reachable_folder
from tests.support.telemetry import payment
from tests.support.tree import PROJECT


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds the wheel, and sees what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    programs = folder / "venv" / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # Only the folder is added: an editable installation in it is not followed to the tree.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


def run(programs: Path, folder: Path, program: str, *arguments: str) -> str:
    answer = subprocess.run(
        [programs / program, *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert answer.stderr == ""
    return answer.stdout.strip()


def test_the_wheel_is_what_runs(programs: Path, folder: Path) -> None:
    where = "import exporter; print(exporter.__file__)"
    assert Path(run(programs, folder, "python", "-c", where)).is_relative_to(programs.parent)


def test_its_command_tells_the_version_and_checks_the_catalogue(
    programs: Path, folder: Path
) -> None:
    assert run(programs, folder, "billing-exporter", "version") == exporter.__version__
    assert "worst case" in run(programs, folder, "billing-exporter", "check", "catalogue")


def test_it_migrates_serves_and_counts(programs: Path, folder: Path) -> None:
    command = [programs / "billing-exporter"]
    with ExporterProcess(folder / "data", None, {"PYTHONPATH": ""}, command) as process:
        process.wait_ready()
        assert process.send_events(payment()).json()["accepted"] == 1
        assert process.scrape().total("billing_payment_processed_total") == 1
        assert exporter.__version__ in process.session.get(process.url, timeout=5).text
