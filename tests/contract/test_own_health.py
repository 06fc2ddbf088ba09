"""What the exporter tells of its own process, each figure moved for the reason it is there for."""

import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import requests
from psycopg import sql

from exporter.ledger.embedded import EmbeddedServer
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.telemetry import payment
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until
from tests.support.writing import ask, waits_for_lock

FOLDING_WAITS = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%WITH taken%'
"""
UNKNOWN_KEY = "bek_" + "x" * 43
LARGE = "SELECT repeat('x', 1000) FROM generate_series(1, 5000)"
HELD_SECONDS = 1.2
AWAY_BY_SECONDS = 90


def pass_seconds(seconds: float) -> None:
    """Let time go by: here it is the cause of what is measured."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until, seconds + 5, "time goes by")


def rises(exporter: ExporterProcess, name: str, least: float, **labels: str) -> None:
    """Wait until the sum of these samples is at least so much."""
    wait_until(lambda: exporter.scrape().total(name, **labels) >= least, 20, f"{name} rises")


def longer_than(exporter: ExporterProcess, name: str, bound: str, **labels: str) -> float:
    """How many observations of the histogram are above one of its bounds."""
    scrape = exporter.scrape()
    below = scrape.value(f"{name}_bucket", le=bound, **labels)
    return scrape.value(f"{name}_count", **labels) - below


@contextlib.contextmanager
def holding(database_url: str, statement: str) -> Iterator[None]:
    """The locks of the statement are held meanwhile."""
    with psycopg.connect(database_url) as connection:
        connection.execute(statement.encode())
        yield


def test_the_process_is_told_as_the_kernel_tells_it(exporter: ExporterProcess) -> None:
    proc = Path(f"/proc/{exporter.process.pid}")
    before = exporter.scrape()
    for _ in range(50):
        assert exporter.send_events(payment()).ok
    scrape = exporter.scrape()
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    cpu_seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    assert before.value("process_cpu_seconds_total") < scrape.value("process_cpu_seconds_total")
    assert scrape.value("process_cpu_seconds_total") == pytest.approx(cpu_seconds, abs=0.05)
    for name, line in (
        ("process_resident_memory_bytes", "VmRSS"),
        ("process_virtual_memory_bytes", "VmSize"),
    ):
        size_bytes = int(status[line].split()[0]) * 1024
        assert scrape.value(name) == pytest.approx(size_bytes, rel=0.1), name
    assert scrape.value("process_open_fds") == pytest.approx(
        len(list((proc / "fd").iterdir())), abs=5
    )
    assert (
        scrape.value("process_max_fds")
        == resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE)[0]
    )
    age_seconds = time.time() - scrape.value("process_start_time_seconds")
    assert 0 < age_seconds < 60


def test_open_connections_are_open_descriptors(exporter: ExporterProcess) -> None:
    with contextlib.ExitStack() as connections:
        before = exporter.scrape().value("process_open_fds")
        for _ in range(20):
            session = connections.enter_context(requests.Session())
            assert session.get(f"{exporter.url}/-/healthy", timeout=5).ok
        assert exporter.scrape().value("process_open_fds") == pytest.approx(before + 20, abs=3)


def test_what_waits_for_a_group_that_is_held_up_shows_in_the_queue_s_wait(
    exporter: ExporterProcess, database_url: str
) -> None:
    with ThreadPoolExecutor(2) as clients:
        with holding(database_url, "SELECT 1 FROM ledger.leases FOR UPDATE"):
            first = clients.submit(exporter.send_events, payment())
            wait_until(lambda: waits_for_lock(database_url), 5, "the first group waits")
            second = clients.submit(exporter.send_events, [payment() for _ in range(3)])
            rises(exporter, "billing_queue_events", 3)
            pass_seconds(HELD_SECONDS)
        assert first.result(20).ok
        assert second.result(20).ok
    scrape = exporter.scrape()
    assert longer_than(exporter, "billing_queue_wait_seconds", "1.0") == 1
    assert scrape.value("billing_queue_wait_seconds_count") == 2
    assert scrape.value("billing_group_size_events_count") == 2
    assert scrape.value("billing_group_size_events_sum") == 4
    assert scrape.value("billing_group_size_events_bucket", le="1.0") == 1
    # The lock is waited for by the call that writes.
    assert longer_than(exporter, "billing_group_duration_seconds", "1.0") == 1
    assert longer_than(exporter, "billing_group_write_duration_seconds", "1.0") == 1


def test_a_table_that_is_held_shows_in_the_commit_and_in_the_monitor_that_needs_it(
    exporter: ExporterProcess, database_url: str
) -> None:
    for monitor in ("fold", "measure", "prune", "refresh", "subscriptions"):
        rises(exporter, "billing_monitor_duration_seconds_count", 1, monitor=monitor)
    with ThreadPoolExecutor(1) as client:
        with holding(database_url, "LOCK TABLE ledger.increments"):
            wait_until(lambda: ask(database_url, FOLDING_WAITS), 5, "folding waits")
            answer = client.submit(exporter.send_events, payment())
            pass_seconds(HELD_SECONDS)
        assert answer.result(20).ok
    assert longer_than(exporter, "billing_group_write_duration_seconds", "1.0") == 1
    wait_until(
        lambda: longer_than(exporter, "billing_monitor_duration_seconds", "1.0", monitor="fold"),
        10,
        "folding took long",
    )
    assert longer_than(exporter, "billing_monitor_duration_seconds", "1.0", monitor="refresh") == 0


def test_whoever_waits_for_the_pool_is_counted(
    exporter: ExporterProcess, database_url: str
) -> None:
    assert exporter.scrape().total("billing_pool_errors_total") == 0
    with ThreadPoolExecutor(1) as client:
        with holding(database_url, "LOCK TABLE ledger.monitors"):
            # Folding, counting, measuring and refreshing each want it, on a connection of theirs.
            rises(exporter, "billing_pool_connections", 4, state="used")
            assert exporter.scrape().value("billing_pool_connections", state="idle") == 0
            answer = client.submit(exporter.send_events, payment(), key=UNKNOWN_KEY)
            rises(exporter, "billing_pool_requests_waiting", 1)
            assert answer.result(20).status_code == 503
        rises(exporter, "billing_pool_errors_total", 1, error="timeout")
        assert exporter.scrape().value("billing_pool_wait_seconds_total") >= 2
    rises(exporter, "billing_pool_connections", 4, state="idle")
    assert exporter.scrape().value("billing_pool_requests_waiting") == 0


def test_a_database_that_turns_connections_away_is_counted_in_the_pool_s_errors(
    postgres: EmbeddedServer, tmp_path: Path
) -> None:
    with new_database(postgres) as url, running_exporter(tmp_path, url) as exporter:
        rises(exporter, "billing_pool_connections", 1, state="idle")
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        with psycopg.connect(postgres.conninfo("postgres"), autocommit=True) as superuser:
            superuser.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
            superuser.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [name],
            )
            rises(exporter, "billing_pool_errors_total", 1, error="lost")
            rises(exporter, "billing_pool_errors_total", 1, error="connect")
            superuser.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
        rises(exporter, "billing_up", 1, source="postgres")


def test_what_a_request_asks_the_database_is_timed(
    exporter: ExporterProcess, database_url: str
) -> None:
    name, query = "billing_query_duration_seconds", "find_key"
    assert exporter.scrape().total(f"{name}_count") == 0
    assert exporter.send_events(payment(), key=UNKNOWN_KEY).status_code == 401
    assert exporter.scrape().value(f"{name}_count", query=query) == 1
    with ThreadPoolExecutor(1) as client:
        with holding(database_url, "LOCK TABLE ledger.api_keys"):
            other = client.submit(exporter.send_events, payment(), key=UNKNOWN_KEY[:-1] + "y")
            wait_until(lambda: waits_for_lock(database_url), 5, "the query waits")
            pass_seconds(HELD_SECONDS)
        assert other.result(20).status_code == 401
    assert longer_than(exporter, name, "1.0", query=query) == 1


def test_a_process_that_stood_still_shows_in_the_loop_s_lag(exporter: ExporterProcess) -> None:
    name = "billing_event_loop_lag_seconds"
    rises(exporter, f"{name}_count", 1)
    assert longer_than(exporter, name, "1.0") == 0
    exporter.process.send_signal(signal.SIGSTOP)
    try:
        pass_seconds(1 + HELD_SECONDS)
    finally:
        exporter.process.send_signal(signal.SIGCONT)
    wait_until(lambda: longer_than(exporter, name, "1.0") == 1, 10, "the lag is seen")


def test_a_backlog_that_nobody_folds_and_a_ledger_that_grows_are_seen(
    exporter: ExporterProcess, database_url: str
) -> None:
    unfolded, size = "billing_ledger_unfolded_groups", "billing_ledger_size_bytes"
    rises(exporter, size, 1)
    before = exporter.scrape().value(size)
    ((real,),) = ask(database_url, "SELECT pg_database_size(current_database())")
    assert before == pytest.approx(float(str(real)), rel=0.2)
    lease = "UPDATE ledger.monitors SET holder = gen_random_uuid(), expires_at = %s"
    ask(database_url, f"{lease} WHERE monitor = 'fold'", "infinity")
    for _ in range(5):
        assert exporter.send_events(payment()).ok
    ask(database_url, f"CREATE TABLE shared.grown AS {LARGE}")
    rises(exporter, unfolded, 5)
    rises(exporter, size, before + 5_000_000)
    ask(database_url, f"{lease} WHERE monitor = 'fold'", "epoch")
    wait_until(lambda: exporter.scrape().value(unfolded) == 0, 20, "all are folded")


@pytest.mark.parametrize("ahead_seconds", [0, AWAY_BY_SECONDS, -AWAY_BY_SECONDS])
def test_a_clock_that_is_not_the_database_s_is_seen(
    tmp_path: Path, database_url: str, ahead_seconds: int
) -> None:
    folder = tmp_path / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"import time\n_true = time.time\ntime.time = lambda: _true() - {ahead_seconds}\n"
    )
    settings = {"PYTHONPATH": f"{folder}:{PROJECT}"}
    name = "billing_database_clock_ahead_seconds"
    with running_exporter(tmp_path / "main", database_url, settings) as exporter:
        wait_until(lambda: (name, frozenset()) in exporter.scrape().samples, 10, "it is told")
        assert exporter.scrape().value(name) == pytest.approx(ahead_seconds, abs=1)


def test_the_disk_of_the_data_folder_is_told_as_the_kernel_tells_it(
    exporter: ExporterProcess,
) -> None:
    scrape = exporter.scrape()
    disk = os.statvfs(exporter.data_dir)
    size_bytes = disk.f_blocks * disk.f_frsize
    assert scrape.value("billing_disk_size_bytes") == size_bytes
    free_bytes = disk.f_bavail * disk.f_frsize
    assert scrape.value("billing_disk_free_bytes") == pytest.approx(
        free_bytes, abs=0.1 * size_bytes
    )
    assert 0 < scrape.value("billing_disk_free_bytes") < size_bytes


def test_each_periodic_job_tells_how_long_it_rests(exporter: ExporterProcess) -> None:
    name = "billing_monitor_interval_seconds"
    rises(exporter, name, 1, monitor="refresh")
    for monitor, seconds in (("fold", 2), ("measure", 5), ("prune", 600), ("refresh", 1)):
        assert exporter.scrape().value(name, monitor=monitor) == seconds
    # Without a key of Stripe's, nobody is asked about ties.
    assert exporter.scrape().total(name, monitor="ties") == 0
