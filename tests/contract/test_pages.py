"""The open pages of the running exporter: landing, probes, and the metrics' two formats."""

import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import requests
from prometheus_client.openmetrics import parser as openmetrics

from exporter.catalogue.book import METRICS
from exporter.ledger.embedded import EmbeddedServer
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.scrape import parse

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
WANTS_OPENMETRICS = (
    "application/openmetrics-text",
    "Application/OpenMetrics-Text; version=1.0.0",
    "text/plain, application/openmetrics-text ;q=0.1",
)
WANTS_TEXT = (
    "",
    "*/*",
    "text/html",
    "text/plain;version=0.0.4",
    "application/json",
    "application/openmetrics-text;q=0, text/plain",
    "application/openmetrics-text; q=0.000",
    "application/openmetrics-texts",
)
UNREACHABLE = "postgresql://billing:secret@127.0.0.1:1/none"


class Page(HTMLParser):
    """The links and the words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("href", "src") and value]

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def open_pages(
    postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ExporterProcess]:
    """An exporter that takes events, for all that only reads."""
    with (
        new_database(postgres) as url,
        running_exporter(tmp_path_factory.mktemp("pages"), url) as exporter,
    ):
        yield exporter


def free_addresses(count: int) -> list[str]:
    """Addresses that nobody listens on at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return [f"127.0.0.1:{port}" for port in ports]


def get(exporter: ExporterProcess, path: str, **headers: str) -> requests.Response:
    return exporter.session.get(exporter.url + path, headers=headers, timeout=10)


def test_the_landing_page_leads_to_everything_that_is_open(open_pages: ExporterProcess) -> None:
    answer = get(open_pages, "/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    assert page.links == ["/metrics", "/-/healthy", "/-/ready"]
    assert all(get(open_pages, link).status_code == 200 for link in page.links)
    assert "Events are taken and counted." in page.words
    assert "replica main" in page.words
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy


def test_the_pages_answer_head_as_they_answer_get(open_pages: ExporterProcess) -> None:
    for path in ("/", "/metrics", "/-/healthy", "/-/ready"):
        whole = get(open_pages, path)
        answer = open_pages.session.head(open_pages.url + path, timeout=10)
        assert answer.status_code == whole.status_code == 200
        assert answer.content == b""
        assert answer.headers["content-type"] == whole.headers["content-type"]
        lengths = [int(one.headers["content-length"]) for one in (answer, whole)]
        # Of the process's own metrics a number grows or a series appears in between.
        assert abs(lengths[0] - lengths[1]) <= (lengths[1] // 100 if path == "/metrics" else 0)


def test_the_format_of_the_metrics_is_the_one_asked_for(open_pages: ExporterProcess) -> None:
    for accept in (PROMETHEUS, *WANTS_OPENMETRICS):
        answer = get(open_pages, "/metrics", Accept=accept)
        assert answer.headers["content-type"] == OPENMETRICS, accept
        assert answer.text.endswith("# EOF\n")
        assert list(openmetrics.text_string_to_metric_families(answer.text))
    for accept in WANTS_TEXT:
        answer = get(open_pages, "/metrics", Accept=accept)
        assert answer.headers["content-type"] == TEXT, accept
        assert parse(answer.text).families
    answer = requests.get(f"{open_pages.url}/metrics", headers={"Accept": None}, timeout=10)
    assert answer.headers["content-type"] == TEXT


def test_until_the_totals_are_loaded_only_its_own_health_is_told(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "main", UNREACHABLE).wait_listening() as waiting:
        assert get(waiting, "/-/healthy").status_code == 200
        assert get(waiting, "/-/ready").status_code == 503
        assert "being loaded" in Page(get(waiting, "/").text).words
        scrape = waiting.scrape()
        own = {metric.name.removesuffix("_total") for metric in METRICS if not metric.ledger}
        assert scrape.families.keys() == own
        assert scrape.value("billing_ready") == 0
        assert scrape.value("billing_up", source="postgres") == 0
        assert "secret" not in waiting.log


def test_metrics_move_to_the_path_that_is_set(tmp_path: Path, database_url: str) -> None:
    settings = {"BILLING_TELEMETRY_PATH": "/own/metrics_path"}
    with running_exporter(tmp_path / "main", database_url, settings) as exporter:
        assert Page(get(exporter, "/").text).links[0] == "/own/metrics_path"
        assert parse(get(exporter, "/own/metrics_path").text).families
        assert get(exporter, "/metrics").status_code == 404


def test_options_win_over_the_environment(tmp_path: Path, database_url: str) -> None:
    addresses = free_addresses(2)
    options = [f"--web.listen-address={address}" for address in addresses]
    options += ["--web.telemetry-path", "/m"]
    settings = {"BILLING_TELEMETRY_PATH": "/unused", "BILLING_LISTEN_ADDRESS": "127.0.0.1:1"}
    process = ExporterProcess(tmp_path / "main", database_url, settings, options=options)
    with process.wait_ready():
        for address in addresses:
            answer = requests.get(f"http://{address}/m", timeout=10)
            assert parse(answer.text).value("billing_ready") == 1


def test_several_addresses_may_come_from_the_environment(tmp_path: Path, database_url: str) -> None:
    addresses = free_addresses(2)
    settings = {"BILLING_LISTEN_ADDRESS": ", ".join(addresses)}
    with running_exporter(tmp_path / "main", database_url, settings):
        for address in addresses:
            assert requests.get(f"http://{address}/-/ready", timeout=10).status_code == 200


@pytest.mark.parametrize("path", ["/", "/-/ready", "/metrics/"])
def test_a_path_that_is_taken_or_none_is_refused_at_the_start(tmp_path: Path, path: str) -> None:
    options = ["--web.telemetry-path", path]
    with ExporterProcess(tmp_path / "main", UNREACHABLE, options=options) as process:
        assert process.process.wait(timeout=30) == 2
        assert "BILLING_TELEMETRY_PATH must be a path of its own" in process.log
