"""What is different in a stack before it starts."""

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from chaos.clock import Clock, hurrying
from tests.support.stripe import WEBHOOK_SECRET
from tests.support.tools import find_postgres_bin

CLOCK = "clock"
WEBHOOK_SECRET_FILE = "webhook-secret"  # noqa: S105 - a file's name
_DISK_MEBIBYTES = 64
_HURRY_TIMES = 20


@contextlib.contextmanager
def nothing(_folder: Path) -> Iterator[Mapping[str, str]]:
    """The stack as it is."""
    yield {}


@contextlib.contextmanager
def by_clock_and_file(folder: Path) -> Iterator[Mapping[str, str]]:
    """The exporter lives by a clock that can be set, and reads its signing secret from a file."""
    (folder / WEBHOOK_SECRET_FILE).write_text(WEBHOOK_SECRET)
    secret = {"STRIPE_WEBHOOK_SECRET_FILE": str(folder / WEBHOOK_SECRET_FILE)}
    yield {**Clock(folder / CLOCK).settings, **secret}


@contextlib.contextmanager
def hurried(_folder: Path) -> Iterator[Mapping[str, str]]:
    """What the exporter does now and then, it does so many times as often."""
    yield hurrying(_HURRY_TIMES)


def programs_by_clock(folder: Path) -> Path:
    """A folder with PostgreSQL's programs, whose server lives by a clock that can be set."""
    real, programs = find_postgres_bin(), folder / "programs"
    programs.mkdir()
    by_clock = [f"{k}={v}" for k, v in Clock(folder / CLOCK).settings_without_threads.items()]
    for name, settings in (("initdb", []), ("postgres", by_clock)):
        command = shlex.join(["env", *settings, str(real / name)])
        (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / name).chmod(0o755)
    programs.chmod(0o755)
    return programs


@contextlib.contextmanager
def with_newer_secret(_folder: Path) -> Iterator[Mapping[str, str]]:
    """The secret that Stripe's events are signed with is not the newest any more."""
    yield {"STRIPE_WEBHOOK_SECRET": f"whsec_the_newest,{WEBHOOK_SECRET}"}


@contextlib.contextmanager
def on_small_disk(folder: Path) -> Iterator[Mapping[str, str]]:
    """The first replica's data folder is a small tmpfs. Needs root."""
    data = folder / "main"
    data.mkdir()
    options = f"size={_DISK_MEBIBYTES}m,mode=0755"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(data)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        raise RuntimeError("a disk can only be filled by root, with the right to mount a tmpfs")
    try:
        yield {}
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)
