"""The shipped routing for a stack: its receivers are the sinks, and its calendar says now."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alertmanager.build import FOLDER, WITH_ADDRESSES, build
from exporter.ledger.ports import find_free_port
from exporter.settings import Config, Secret, Webhooks
from tests.support.alertmanager import AlertmanagerServer
from tests.support.exporter import ADMIN_KEY
from tests.support.sinks import PAGERDUTY_PATH

SLACK_PATH, CUSTOM_PATH, HEARTBEAT_PATH = "/slack", "/custom", "/heartbeat"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# How long one Alertmanager waits for the other before it sends by itself.
_PEER_SECONDS = 1


def settings(mail: str, http: str, exporter: str, secrets: Path) -> Mapping[str, Any]:
    """The part `alertmanager` of billing.yml: HOST:PORT of the mail sink, the addresses of the
    HTTP sink and of the exporter, and the folder for the files with secrets, which are written.
    """
    values = {
        "slack_url": f"{http}{SLACK_PATH}",
        "pagerduty_key": "0" * 32,
        "exporter_key": ADMIN_KEY,
    }
    secrets.mkdir()
    for name, value in values.items():
        (secrets / name).write_text(value)
    return {
        "email": {"smarthost": mail, "username": "", "require_tls": False},
        "pagerduty_url": f"{http}{PAGERDUTY_PATH}",
        "business_hours": {"days": [*_DAYS], "start": "00:00", "end": "24:00"},
        "exporter": exporter,
        "secret_files": {name: str(secrets / name) for name in values},
    }


def webhooks(http: str) -> Webhooks:
    """The custom webhook and the heartbeat, at the HTTP sink."""
    return Webhooks(Secret(f"{http}{CUSTOM_PATH}"), Secret(f"{http}{HEARTBEAT_PATH}"))


@contextlib.contextmanager
def cluster(
    folder: Path, config: Config, given: Webhooks, compression: int, count: int
) -> Iterator[list[AlertmanagerServer]]:
    """So many Alertmanagers that know each other, with the shipped configuration."""
    for path, text in build(config, given, compression).items():
        file = folder / Path(path).relative_to(FOLDER)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    main = folder / Path(WITH_ADDRESSES).relative_to(FOLDER)
    peers = [f"127.0.0.1:{find_free_port()}" for _ in range(count)]
    with contextlib.ExitStack() as running:
        servers = []
        for number, peer in enumerate(peers):
            options = ["--cluster.listen-address="]
            if count > 1:
                options = [
                    f"--cluster.listen-address={peer}",
                    f"--cluster.peer-timeout={_PEER_SECONDS}s",
                    *(f"--cluster.peer={other}" for other in peers if other != peer),
                ]
            server = AlertmanagerServer(folder / f"alertmanager-{number}", main, options)
            servers.append(running.enter_context(server))
        yield servers
