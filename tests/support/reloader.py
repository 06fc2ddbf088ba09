"""A stand-in for the sidecar that tells Prometheus to read its files again, doing what its flags in
the manifests say: it watches folders, and after a change POSTs until the server has taken it.
"""

import hashlib
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import requests

# The real one is told by the kernel, and waits as long for the rest of a change.
_DELAY_SECONDS = 1.0


class Reloader(threading.Thread):
    """Reloads the server at `url` when what is in `folder` changes; `flags` are the sidecar's, in
    which these two stand for the ones of the pod. `refused` counts what the server didn't take.
    """

    def __init__(self, flags: Sequence[str], folder: Path, url: str) -> None:
        super().__init__(name="reloader", daemon=True)
        given = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
        assert given.keys() == {"watched-dir", "reload-url", "retry-interval"}
        seconds = re.fullmatch(r"(\d+)s", given["retry-interval"])
        assert seconds
        self.refused = 0
        self._retry_seconds = float(seconds[1])
        self._url = re.sub(r"^http://127\.0\.0\.1:\d+", url, given["reload-url"])
        self._folder = folder
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join(30)

    def run(self) -> None:
        """Watch until it is stopped."""
        taken = self._digest()
        while not self._stopping.wait(_DELAY_SECONDS):
            found = self._digest()
            if found == taken:
                continue
            if requests.post(self._url, timeout=30).ok:
                taken = found
            else:
                self.refused += 1
                self._stopping.wait(self._retry_seconds)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for file in sorted(self._folder.iterdir()):
            digest.update(f"{file.name}\n".encode() + file.read_bytes())
        return digest.hexdigest()
