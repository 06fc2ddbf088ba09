"""A double of Grafana's HTTP API: it keeps the folders and dashboards that it is given."""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "glsa_of_an_editor"


class GrafanaApi(ThreadingHTTPServer):
    """Takes what comes with TOKEN, in the manner of Grafana 11 to 13.

    `folders` are titles and `dashboards` the bodies that were posted, by uid; `provisioned` are
    uids that it refuses.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folders: dict[str, str] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.provisioned: set[str] = set()
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def find_folder(self, uid: str) -> tuple[int, Mapping[str, Any]]:
        if uid in self.folders:
            return 200, {"uid": uid, "title": self.folders[uid]}
        return 404, {"message": "folder not found", "status": "not-found"}

    def make_folder(self, folder: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        if folder["uid"] in self.folders:
            return 412, {"message": "The folder has been changed by someone else"}
        self.folders[folder["uid"]] = folder["title"]
        return 200, folder

    def keep_dashboard(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        model = body["dashboard"]
        uid = model["uid"]
        if uid in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        if model.get("id") or (uid in self.dashboards and not body.get("overwrite")):
            return 412, {"message": "A dashboard with the same uid already exists"}
        self.dashboards[uid] = dict(body)
        return 200, {"uid": uid, "url": f"/d/{uid}/x", "status": "success", "version": 1}


class _Handler(BaseHTTPRequestHandler):
    server: GrafanaApi

    def do_GET(self) -> None:
        self._answer({}, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kept = {
            "/api/folders": self.server.make_folder,
            "/api/dashboards/db": self.server.keep_dashboard,
        }
        self._answer(kept, body)

    def _answer(self, kept: Mapping[str, Any], body: Any) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        status: int
        content: Any
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status, content = 401, {"message": "Unauthorized"}
        elif self.path in kept:
            status, content = kept[self.path](body)
        elif self.command == "GET" and self.path.startswith("/api/folders/"):
            status, content = self.server.find_folder(self.path.rpartition("/")[2])
        else:
            status, content = 404, {"message": "Not found"}
        raw = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextlib.contextmanager
def running_grafana() -> Iterator[GrafanaApi]:
    """One that has nothing yet."""
    with GrafanaApi() as api:
        thread = threading.Thread(target=api.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield api
        finally:
            api.shutdown()
            thread.join()
