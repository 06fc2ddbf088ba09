"""Where the embedded cluster lives, and as which user of the operating system.

PostgreSQL refuses to run as root, so root hands it to a service user. That user has to be able to
reach the cluster and the programs, and the permissions of what lies above them are not ours to
change: what it can't reach in place moves to `SERVICE_FOLDER`.
"""

import hashlib
import json
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from exporter.errors import EmbeddedServerError
from exporter.ledger.binaries import PACKAGE_PARTS, Binaries
from exporter.ledger.locks import FileLock

SERVICE_FOLDER = Path("/var/lib/billing-exporter")
SERVICE_USERS = ("postgres", "nobody")
RECORD = "postgres.json"
COPY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Account:
    """The user that PostgreSQL runs as; `dropped` to from root, or whoever runs this process."""

    uid: int
    gid: int
    dropped: bool

    def may_enter(self, folder: Path) -> bool:
        """Whether it may pass through the folder and everything above, by their mode bits."""
        return all(self._permits(path, stat.S_IXOTH) for path in (folder, *folder.parents))

    def may_run(self, programs: Path) -> bool:
        readable = stat.S_IROTH | stat.S_IXOTH
        return self.may_enter(programs) and self._permits(programs / "postgres", readable)

    def _permits(self, path: Path, bits: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            bits <<= 6
        elif status.st_gid == self.gid:
            bits <<= 3
        return status.st_mode & bits == bits


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one cluster, of mode 700 and the account's own: its data and its log."""

    folder: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def make(self) -> None:
        """Make the folder unless it is there; EmbeddedServerError if the account can't reach it."""
        if not self.account.dropped:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            return
        if self.folder.is_relative_to(SERVICE_FOLDER):
            make_passage(SERVICE_FOLDER)
        if not self.account.may_enter(self.folder.parent):
            raise EmbeddedServerError(
                f"The user with the id {self.account.uid}, which PostgreSQL runs as, can't reach "
                f"{self.folder}. Permit it to pass through every folder above (chmod a+x)."
            )
        self.folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(self.folder, self.account.uid, self.account.gid)


@dataclass(frozen=True, slots=True)
class Record:
    """What the data folder remembers between starts; `folder` only of a cluster elsewhere."""

    port: int | None = None
    folder: Path | None = None

    @classmethod
    def read(cls, data_folder: Path) -> "Record":
        """The record; empty if there is none, as whoever reads it proves what it finds."""
        try:
            fields = json.loads((data_folder / RECORD).read_text())
            folder = fields.get("folder")
            return cls(int(fields["port"]), Path(folder) if folder else None)
        except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
            return cls()

    def write(self, data_folder: Path) -> None:
        fields = {"port": self.port} | ({"folder": str(self.folder)} if self.folder else {})
        write_private(data_folder / RECORD, json.dumps(fields) + "\n")


def make_data_folder(data_dir: Path) -> Path:
    """The real path of the data folder, made if need be.

    Root makes it of mode 711: what is in it is private file by file, and the service user must
    be able to pass through. An ordinary user makes it of mode 700.
    """
    folder = data_dir.resolve()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            make_passage(folder)
        else:
            folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def make_passage(folder: Path) -> None:
    """Make a folder that everybody may pass through, whatever the umask; one that exists stays."""
    try:
        folder.mkdir(mode=0o711)
    except FileExistsError:
        return
    folder.chmod(0o711)


def find_place(data_folder: Path) -> Place:
    """Where the data folder's cluster is, or is to be made: in it if the account can get there."""
    inside = data_folder / "postgres"
    recorded = Record.read(data_folder).folder
    if os.geteuid() != 0:
        return Place(recorded or inside, Account(os.geteuid(), os.getegid(), dropped=False))
    digest = hashlib.sha256(os.fsencode(data_folder)).hexdigest()[:12]
    elsewhere = recorded or SERVICE_FOLDER / digest
    for folder in (inside, elsewhere):
        if (folder / "data" / "PG_VERSION").exists():
            return Place(folder, _owner(folder / "data"))
    account = _service_account()
    return Place(inside if account.may_enter(data_folder) else elsewhere, account)


def reachable_binaries(
    binaries: Binaries, account: Account, service_folder: Path = SERVICE_FOLDER
) -> Binaries:
    """Programs that the account may run: these, or a copy in the service folder, made once.

    Only the package's programs are copied, as others needn't work from another folder.
    """
    if not account.dropped or account.may_run(binaries.folder):
        return binaries
    if not binaries.bundled:
        raise EmbeddedServerError(
            f"The user with the id {account.uid}, which PostgreSQL is to run as, can't reach "
            f"{binaries.folder}. Permit it to pass through every folder above (chmod a+x), or "
            "set BILLING_POSTGRES_BIN to a folder that it can reach."
        )
    make_passage(service_folder)
    target = service_folder / f"postgresql-{binaries.version}"
    lock = FileLock(service_folder / "copy.lock")
    try:
        lock.own(COPY_SECONDS)
        packages = binaries.folder.parents[2]
        if not target.is_dir():
            _copy(packages, target)
    finally:
        lock.close()
    return replace(binaries, folder=target / binaries.folder.relative_to(packages))


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only the owner of its folder can read, in one step."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder outlast a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _service_account() -> Account:
    for name in SERVICE_USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(user.pw_uid, user.pw_gid, dropped=True)
    raise EmbeddedServerError(
        f"PostgreSQL doesn't run as root, and this system has none of the users "
        f"{', '.join(SERVICE_USERS)}. Add one, run as an ordinary user, or set DATABASE_URL."
    )


def _owner(folder: Path) -> Account:
    status = folder.stat()
    if status.st_uid == 0:
        raise EmbeddedServerError(
            f"{folder} belongs to root, as whom PostgreSQL doesn't run. "
            f"Give it to another user: chown -R postgres {folder.parent}"
        )
    return Account(status.st_uid, status.st_gid, dropped=True)


def _copy(packages: Path, target: Path) -> None:
    """Copy the package's programs, readable for all; `target` is there entirely or not at all."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for part in PACKAGE_PARTS:
        if (packages / part).is_dir():
            shutil.copytree(packages / part, partial / part, symlinks=True)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
    partial.rename(target)
