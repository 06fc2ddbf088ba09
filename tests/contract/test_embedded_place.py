"""Which programs serve a data folder, as whom, and where."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.errors import EmbeddedServerError
from exporter.ledger.binaries import (
    PACKAGE,
    PACKAGE_PARTS,
    Binaries,
    choose_binaries,
    read_binaries,
)
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.place import (
    SERVICE_FOLDER,
    Account,
    find_place,
    reachable_binaries,
)
from tests.support.postgres import (
    AS_ROOT,
    Opener,
    ask,
    end_server,
    live_postmaster,
    reachable_folder,
)
from tests.support.tools import find_postgres_bin

STRANGER = Account(uid=54321, gid=54321, dropped=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable_folder() as made:
        yield made


def write_programs(folder: Path, version: str) -> None:
    folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)


def copy_package(package: Binaries, folder: Path) -> Path:
    """Copy the programs of the package, without what they don't need, and its `bin`."""
    packages = package.folder.parents[2]
    for part in PACKAGE_PARTS:
        shutil.copytree(packages / part, folder / part, symlinks=True)
    (folder / PACKAGE / "__init__.py").touch()
    return folder / package.folder.relative_to(packages)


def test_a_cluster_is_opened_by_its_own_major_version_only(folder: Path) -> None:
    package = choose_binaries(None, None)
    system = read_binaries(find_postgres_bin())
    assert system is not None
    data_dir = folder / "data"
    EmbeddedServer.open(data_dir, binaries=system.folder).close()
    with pytest.raises(EmbeddedServerError, match=rf"PostgreSQL {system.major}.*{package.version}"):
        EmbeddedServer.open(data_dir, binaries=package.folder)
    assert choose_binaries(None, system.major, system_folder=system.folder.parents[1]) == system


def test_the_package_comes_before_what_the_system_has(folder: Path) -> None:
    write_programs(folder / "99" / "bin", "99.1")
    chosen = choose_binaries(None, None, system_folder=folder)
    assert chosen.bundled
    assert chosen.major < 99


def test_the_newest_of_the_system_is_taken_and_never_one_on_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_programs(folder / "path", "99.1")
    monkeypatch.setenv("PATH", f"{folder / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    system = folder / "system"
    write_programs(system / "9" / "bin", "9.6")
    write_programs(system / "14" / "bin", "14.9")
    with pytest.raises(EmbeddedServerError, match=r"15 or later.*14\.9.*9\.6"):
        choose_binaries(None, None, system_folder=system)
    write_programs(system / "15" / "bin", "15.18")
    write_programs(system / "17" / "bin", "17.2")
    (system / "16" / "bin").mkdir(parents=True)  # a package of clients alone
    assert choose_binaries(None, None, system_folder=system).version == "17.2"
    assert choose_binaries(None, 15, system_folder=system).version == "15.18"


def test_a_wanted_folder_without_the_programs_is_refused(folder: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="BILLING_POSTGRES_BIN"):
        EmbeddedServer.open(folder / "data", binaries=folder)
    (folder / "bin").mkdir()
    for name in ("initdb", "postgres"):
        (folder / "bin" / name).write_text("not a program")
        (folder / "bin" / name).chmod(0o755)
    with pytest.raises(EmbeddedServerError, match="BILLING_POSTGRES_BIN"):
        EmbeddedServer.open(folder / "data", binaries=folder / "bin")


def test_root_hands_the_server_to_a_service_user(folder: Path) -> None:
    data_dir = folder / "data"
    with EmbeddedServer.open(data_dir):
        process = Path(f"/proc/{live_postmaster(data_dir).pid}")
        account = find_place(data_dir).account
        assert process.stat().st_uid == account.uid
        if AS_ROOT:
            assert account.uid != 0
            assert "Groups:\t \n" in (process / "status").read_text()
            assert stat.S_IMODE(data_dir.stat().st_mode) == 0o711
        else:
            assert account.uid == os.geteuid()
            assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        owned = data_dir / "postgres"
        assert (owned.stat().st_uid, stat.S_IMODE(owned.stat().st_mode)) == (account.uid, 0o700)


@pytest.mark.parametrize(
    ("mode", "entered"), [(0o711, True), (0o701, True), (0o770, False), (0o700, False)]
)
def test_reach_is_read_from_the_modes_of_all_folders_above(
    folder: Path, mode: int, entered: bool
) -> None:
    below = folder / "parent" / "child"
    below.mkdir(parents=True)
    folder.chmod(0o711)
    below.chmod(0o711)
    below.parent.chmod(mode)
    assert STRANGER.may_enter(below) is entered
    status = below.parent.stat()
    of_the_group = Account(STRANGER.uid, status.st_gid, dropped=True)
    assert of_the_group.may_enter(below) is bool(mode & stat.S_IXGRP)


def test_programs_out_of_reach_are_copied_once(folder: Path) -> None:
    package = choose_binaries(None, None)
    hidden = folder / "hidden"
    programs = copy_package(package, hidden)
    hidden.chmod(0o700)
    binaries = read_binaries(programs, bundled=True)
    assert binaries is not None
    folder.chmod(0o711)
    copied = reachable_binaries(binaries, STRANGER, folder / "service")
    assert copied.folder.is_relative_to(folder / "service" / f"postgresql-{package.version}")
    assert STRANGER.may_run(copied.folder)
    assert read_binaries(copied.folder) is not None
    before = copied.folder.stat().st_ctime_ns
    assert reachable_binaries(binaries, STRANGER, folder / "service") == copied
    assert copied.folder.stat().st_ctime_ns == before
    alien = read_binaries(programs)
    assert alien is not None
    with pytest.raises(EmbeddedServerError, match="chmod"):
        reachable_binaries(alien, STRANGER, folder / "service")
    assert stat.S_IMODE(hidden.stat().st_mode) == 0o700


def test_a_clone_that_only_its_user_can_enter_works_and_stays_closed() -> None:
    closed = Path(tempfile.mkdtemp(prefix="billing-closed-")).resolve()
    package = choose_binaries(None, None)
    data_dir = closed / "clone" / ".billing"
    programs = SERVICE_FOLDER / f"postgresql-{package.version}"
    were_there = SERVICE_FOLDER.exists(), programs.exists()
    try:
        copy_package(package, closed / "site")
        with Opener(data_dir, python_path=closed / "site") as opener:
            url = opener.url()
            place = find_place(data_dir)
            running = Path(f"/proc/{live_postmaster(data_dir).pid}/exe").resolve()
            with EmbeddedServer.open(data_dir) as server:
                assert server.url() == url
                assert ask(server, "SELECT 1", role="billing") == 1
            opener.finish()
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        if AS_ROOT:
            assert place.folder.parent == SERVICE_FOLDER
            assert str(place.folder) in (data_dir / "postgres.json").read_text()
            assert stat.S_IMODE(SERVICE_FOLDER.stat().st_mode) == 0o711
            assert running.is_relative_to(programs)
        else:
            assert place.folder == data_dir / "postgres"
            assert running.is_relative_to(closed)
            assert (SERVICE_FOLDER.exists(), programs.exists()) == were_there
        with EmbeddedServer.open(data_dir) as server:
            assert server.url() == url
    finally:
        end_server(data_dir)
        shutil.rmtree(find_place(data_dir).folder, ignore_errors=True)
        shutil.rmtree(closed)
        if AS_ROOT and not were_there[1]:
            shutil.rmtree(programs, ignore_errors=True)
        if AS_ROOT and not were_there[0]:
            shutil.rmtree(SERVICE_FOLDER, ignore_errors=True)
