"""What the project promises about itself as a whole: its wheel, files, commands and documents."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bundle
import docs_tables
import exporter
from exporter.settings import Config, read_config
from tests.support.tree import PROJECT, project_files

LONGEST_FILE_LINES = 300
REGISTRY_HOST = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|(?:deb|security|ftp)\.debian\.org"
    r"|(?:archive|security)\.ubuntu\.com"
)
HOME_PATH = re.compile(r"(?<![\w.$}*])/(?:home|root|Users)/\w")


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel built from the tree as it is."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_exporter_alone(wheel_names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel_names}
    assert tops == {"exporter", f"billing_exporter-{exporter.__version__}.dist-info"}


def test_the_wheel_holds_every_file_of_the_package(wheel_names: set[str]) -> None:
    package = {
        file.relative_to(PROJECT).as_posix()
        for file in project_files()
        if file.is_relative_to(PROJECT / "exporter")
    }
    assert "exporter/py.typed" in package
    assert package <= wheel_names


def test_the_wheel_brings_its_licence_and_its_command(wheel_names: set[str]) -> None:
    info = f"billing_exporter-{exporter.__version__}.dist-info"
    assert {f"{info}/{name}" for name in ("licenses/LICENSE", "licenses/NOTICE")} <= wheel_names
    (command,) = metadata.distribution("billing-exporter").entry_points.select(
        group="console_scripts"
    )
    assert (command.name, command.value) == ("billing-exporter", "exporter.cli:main")


def test_no_file_is_longer_than_300_lines() -> None:
    lengths = {
        file.relative_to(PROJECT).as_posix(): len(file.read_bytes().splitlines())
        for file in project_files()
        if file.suffix in {".py", ".sql", ".html", ".js"} and "static" not in file.parts
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE_LINES} == {}


def test_no_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    findings = []
    for file in project_files():
        text = file.read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            here = f"{file.relative_to(PROJECT)}:{number}: {line.strip()}"
            if REGISTRY_HOST.search(line) or HOME_PATH.search(line) or f"{PROJECT}/" in line:
                findings.append(here)
    assert findings == []


def test_the_changelog_opens_with_the_version_of_the_package() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)
    assert versions[0] == exporter.__version__


def test_the_generated_files_are_what_their_sources_say() -> None:
    found = [
        f"{difference.path} {difference.reason}"
        for part in bundle.PARTS.values()
        for difference in bundle.differences(PROJECT, part, Config())
    ]
    assert found == []


def test_generating_twice_gives_the_same_bytes() -> None:
    for part in bundle.PARTS.values():
        assert bundle.render(part, Config()) == bundle.render(part, Config())


def test_every_name_in_use_is_declared() -> None:
    assert docs_tables.undeclared_names(PROJECT) == []


def test_make_help_lists_every_target_there_is() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    answer = subprocess.run(
        ["make", "--silent", "help"], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    assert re.findall(r"^  make (\S+)", answer.stdout, re.MULTILINE) == phony.split()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_a_document_names_only_make_targets_and_files_that_exist(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z0-9]+)\b`?", _code_of(text))) <= targets
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    paths = re.findall(r"`((?:exporter|tests|docs|tools)/[\w./]+)`", text)
    assert [path for path in [*links, *paths] if not (PROJECT / path).exists()] == []


def test_the_configuration_that_the_readme_shows_is_good(tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(namespace:.*?)```", readme, re.DOTALL)
    file = tmp_path / "billing.yml"
    file.write_text(shown)
    assert read_config(file).namespace == "acme"


def test_every_dependency_is_pinned_and_installed_as_pinned() -> None:
    pins = dict(
        line.split("==")
        for line in (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["embedded"], *extras["dev"]]
    names = {canonicalize_name(Requirement(line).name) for line in wanted}
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    assert names <= pinned.keys()
    assert {name: metadata.version(name) for name in names} == {
        name: pinned[name] for name in names
    }


def _code_of(text: str) -> str:
    """What stands between backticks, and in fenced blocks."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


def test_the_installed_package_is_this_tree() -> None:
    assert Path(exporter.__file__).is_relative_to(PROJECT)
