"""Everything that an alert passes through, really running on this machine: `launched`."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chaos.proxy import ProxyThread
from drill.alertmanager import cluster, settings, webhooks
from drill.inbox import Inbox
from drill.prometheus import Prometheus
from drill.replica import Replica
from drill.setups import nothing
from drill.traffic import Flow, flowing
from exporter.settings import Config, read_config
from tests.support.alertmanager import AlertmanagerServer
from tests.support.outage import Database
from tests.support.postgres import reachable_folder
from tests.support.sinks import HttpSink, MailSink

# The rules judge the live mode, and every event of this stack is of it.
CONFIG: Mapping[str, Any] = {
    "stripe": {"mode": "live"},
    "plans": {"free": {}, "pro": {}},
    "meters": ["fix"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is to be launched: time in rules and routes goes `compression` times as fast. Around
    all that runs, `prepare` does something to the stack's folder, and gives what the exporters'
    environment has besides; `config` is added to billing.yml. `programs` makes PostgreSQL's
    programs, where it shall not be the usual ones.
    """

    compression: int = 1
    replicas: tuple[str, ...] = ("main",)
    alertmanagers: int = 1
    prepare: Callable[[Path], AbstractContextManager[Mapping[str, str]]] = nothing
    config: Mapping[str, Any] = field(default_factory=dict)
    programs: Callable[[Path], Path] | None = None


@dataclass
class Stack:
    """Exporters with a database of their own, Prometheus, Alertmanagers and sinks. The first
    replica has the traffic; every other reaches the database through a proxy.
    """

    folder: Path
    setup: Setup
    config: Config
    database: Database
    replicas: Sequence[Replica]
    prometheus: Prometheus
    alertmanagers: Sequence[AlertmanagerServer]
    http: HttpSink
    inbox: Inbox
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def main(self) -> Replica:
        """The first replica."""
        return self.replicas[0]

    @contextlib.contextmanager
    def traffic(self, flow: Flow, secret: str = "") -> Iterator[None]:
        """Simulated events reach the first replica inside, signed with its newest secret or with
        the given one.
        """
        signing = {"STRIPE_WEBHOOK_SECRET": secret} if secret else {}
        log = self.folder / f"traffic-{next(self._numbers)}.log"
        with flowing(flow, self.main.url, {**self.main.environment, **signing}, log):
            yield


@contextlib.contextmanager
def launched(setup: Setup) -> Iterator[Stack]:
    """A stack that takes events; everything of it is ended, and its folder removed, at the end."""
    with contextlib.ExitStack() as running:
        folder = running.enter_context(reachable_folder())
        prepared = running.enter_context(setup.prepare(folder))
        environment = {**prepared, "BILLING_CONFIG": str(folder / "billing.yml")}
        programs = setup.programs(folder) if setup.programs else None
        database = running.enter_context(Database.running(folder / "database", programs))
        mail, http = running.enter_context(MailSink()), running.enter_context(HttpSink())
        replicas: list[Replica] = []
        for name in setup.replicas:
            proxy = None
            if replicas:
                proxy = running.enter_context(ProxyThread(database.conninfo))
            replica = Replica(name, folder, lambda: database.conninfo, proxy, environment)
            running.callback(replica.kill)
            replicas.append(replica)
        routing = settings(mail.address, http.url, replicas[0].url, folder / "secrets")
        content = {**CONFIG, "alertmanager": routing, **setup.config}
        (folder / "billing.yml").write_text(yaml.safe_dump(content))
        config = read_config(folder / "billing.yml")
        for replica in replicas:
            replica.start()
        alertmanagers = running.enter_context(
            cluster(folder, config, webhooks(http.url), setup.compression, setup.alertmanagers)
        )
        prometheus = Prometheus(
            folder / "prometheus",
            config,
            setup.compression,
            exporters={replica.name: replica.address for replica in replicas},
            alertmanagers=[server.address for server in alertmanagers],
        )
        running.enter_context(prometheus)
        for replica in replicas:
            replica.running.wait_ready()
        yield Stack(
            folder,
            setup,
            config,
            database,
            replicas,
            prometheus,
            alertmanagers,
            http,
            Inbox(mail, http, database),
        )
