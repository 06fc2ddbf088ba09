"""A Dockerfile read and carried out without an engine: as far as a machine of our own can tell."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

AS_ROOT = os.geteuid() == 0
# Paths of the image, but for the base's programs: those are the machine's own.
_IMAGE_PATH = re.compile(r"(?<![^\s:=])/(?!usr/|bin\b)")


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands from one FROM to the next: (instruction, arguments), in their order."""

    base: str
    name: str
    steps: tuple[tuple[str, str], ...]

    def arguments(self, instruction: str) -> list[str]:
        return [text for name, text in self.steps if name == instruction]

    def words(self, instruction: str) -> list[str]:
        """The one JSON list of an instruction such as ENTRYPOINT."""
        (text,) = self.arguments(instruction)
        words: list[str] = json.loads(text)
        return words


def read_dockerfile(text: str) -> list[Stage]:
    """The stages of a Dockerfile, with global ARGs put into FROM."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    defaults: dict[str, str] = {}
    stages: list[tuple[str, str, list[tuple[str, str]]]] = []
    for line in filter(str.strip, joined.splitlines()):
        instruction, _, arguments = line.partition(" ")
        arguments = " ".join(arguments.split())
        if instruction == "FROM":
            base, _, name = arguments.partition(" AS ")
            for key, value in defaults.items():
                base = base.replace(f"${{{key}}}", value)
            stages.append((base, name, []))
        elif stages:
            stages[-1][2].append((instruction, arguments))
        else:
            assert instruction == "ARG"
            key, _, value = arguments.partition("=")
            defaults[key] = value
    return [Stage(base, name, tuple(steps)) for base, name, steps in stages]


def find_base_python() -> Path:
    """A Python of this version that every user can run, as that of the base image."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (Path(sys.base_prefix) / "bin" / version, Path("/usr/bin") / version):
        if candidate.exists() and all(
            folder.stat().st_mode & 0o1 for folder in candidate.resolve().parents
        ):
            return candidate
    raise AssertionError(f"no {version} can be run by everybody: apt-get install {version}")


@dataclass
class Build:
    """Stages carried out one after another in `root`, which is `/` to them.

    A finished stage moves aside, so that paths in what it made stay true where the next stage
    copies it. `environment` is that of the last stage, `offered` what pip installs from.
    """

    context: Path
    root: Path
    offered: Path
    environment: dict[str, str] = field(default_factory=dict)

    def place(self, text: str) -> str:
        """The text with paths of the image as paths of this machine."""
        return _IMAGE_PATH.sub(f"{self.root}/", text)

    def run(self, stages: list[Stage]) -> None:
        for number, stage in enumerate(stages):
            if number:
                self.root.rename(self._aside(stages[number - 1].name))
            self.root.mkdir(mode=0o755)
            self._run_stage(stage)

    def _run_stage(self, stage: Stage) -> None:
        self.environment = {}
        folder = self.root
        base = self._make_base(stage.name)
        for instruction, arguments in stage.steps:
            if instruction == "ENV":
                pairs = (pair.partition("=") for pair in arguments.split())
                self.environment |= {name: self.place(value) for name, _, value in pairs}
            elif instruction == "WORKDIR":
                folder = Path(self.place(arguments))
                folder.mkdir(parents=True, exist_ok=True)
            elif instruction == "COPY":
                self._copy(arguments.split(), folder)
            elif instruction == "RUN":
                self._shell(self.place(arguments), folder, base)

    def _make_base(self, name: str) -> Path:
        """The programs of the base image: a Python with pip in it, anew for each stage."""
        base = self.root.with_name(f"base-{name}")
        subprocess.run([find_base_python(), "-m", "venv", "--without-pip", base], check=True)
        (packages,) = base.glob("lib/python*/site-packages")
        import pip  # noqa: PLC0415 - only its place is wanted

        (packages / "pip").symlink_to(Path(pip.__file__).parent)
        return base / "bin"

    def _copy(self, words: list[str], folder: Path) -> None:
        flags = dict(word[2:].split("=") for word in words if word.startswith("--"))
        *sources, target = (word for word in words if not word.startswith("--"))
        origin = self._aside(flags["from"]) if "from" in flags else self.context
        into = Path(self.place(target)) if target.startswith("/") else folder / target
        for source in sources:
            file = origin / source.lstrip("/")
            if file.is_dir():
                shutil.copytree(file, into, symlinks=True, dirs_exist_ok=True)
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, into)
        if AS_ROOT and "chown" in flags:
            user, group = map(int, flags["chown"].split(":"))
            for path in (into, *into.rglob("*")):
                os.chown(path, user, group, follow_symlinks=False)

    def _shell(self, command: str, folder: Path, base: Path) -> None:
        environment: Mapping[str, str] = self.environment | {
            "PATH": f"{base}:/usr/bin:/bin",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.offered),
        }
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def _aside(self, name: str) -> Path:
        return self.root.with_name(f"stage-{name}")
