"""`check`: files before they are used."""

import json
from pathlib import Path

import pytest

from tests.support.command import Answer, run_command
from tests.support.telemetry import payment


def check(folder: Path, kind: str, text: str, *options: str, name: str) -> Answer:
    (folder / name).write_text(text)
    return run_command(folder, {}, "check", kind, name, *options)


def test_a_good_configuration_tells_its_worst_case_of_series(tmp_path: Path) -> None:
    text = "namespace: acme\nplans:\n  pro: {stripe: [price_1]}\n"
    answer = check(tmp_path, "config", text, name="good.yml")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("good.yml: worst case ")
    shown = json.loads(check(tmp_path, "config", text, "-o", "json", name="good.yml").stdout)
    assert (shown["ok"], shown["findings"]) == (True, [])
    assert 0 < shown["worst_case_series"] < shown["budget_series"]


def test_every_fault_of_a_configuration_is_named_with_its_line(tmp_path: Path) -> None:
    text = "namespace: acme\nplans:\n  pro: {strip: [price_1]}\nmetres: [calls]\n"
    answer = check(tmp_path, "config", text, name="bad.yml")
    assert (answer.returncode, answer.stdout) == (1, "")
    first, second = answer.stderr.splitlines()
    assert first.startswith("bad.yml:3: plans.pro.strip")
    assert second.startswith("bad.yml:4: metres")
    shown = json.loads(check(tmp_path, "config", text, "-o", "json", name="bad.yml").stdout)
    assert (shown["ok"], shown["findings"]) == (False, [first, second])


def test_a_plan_keeps_to_the_meters_that_there_are(tmp_path: Path) -> None:
    text = "plans:\n  pro: {meters: {api_calls: {quota: 5}, fax: {quota: 5}}}\n"
    answer = check(tmp_path, "config", text, name="bad.yml")
    (line,) = answer.stderr.splitlines()
    assert line.startswith("bad.yml:2: plans.pro.meters.fax: there is no such meter.")
    assert "api_calls" in line
    started = run_command(tmp_path, {"BILLING_CONFIG": "bad.yml"}, "serve")
    assert (started.returncode, line in started.stderr) == (2, True)
    assert (
        check(tmp_path, "config", f"meters: [api_calls, fax]\n{text}", name="good.yml").returncode
        == 0
    )


def test_what_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    answer = check(tmp_path, "config", "namespace: acme\nplans: [\n", name="bad.yml")
    assert answer.returncode == 1
    assert answer.stderr.startswith("bad.yml:3: ")


@pytest.mark.parametrize("name", ["good.json", "good.ndjson", "good.jsonl"])
def test_good_events_are_counted(tmp_path: Path, name: str) -> None:
    events = [payment() for _ in range(3)]
    lines = "\n".join(json.dumps(event) for event in events)
    text = json.dumps(events) if name.endswith(".json") else lines
    answer = check(tmp_path, "events", text, name=name)
    assert (answer.returncode, answer.stdout, answer.stderr) == (
        0,
        f"{name}: 3 events are good\n",
        "",
    )


def test_a_single_event_may_stand_alone(tmp_path: Path) -> None:
    answer = check(tmp_path, "events", json.dumps(payment()), "-o", "json", name="one.json")
    assert answer.returncode == 0
    shown = json.loads(answer.stdout)
    assert shown == {"ok": True, "file": "one.json", "events": 1, "findings": []}


def test_bad_lines_are_named_by_their_number(tmp_path: Path) -> None:
    """Empty lines count as lines, and hold no event."""
    good, old = json.dumps(payment()), json.dumps(payment(occurred_at="2020-01-01T00:00:00Z"))
    answer = check(tmp_path, "events", f'{good}\n\n{old}\n{good}\n{{"id":\n', name="bad.ndjson")
    assert (answer.returncode, answer.stdout) == (1, "")
    first, second, summary = answer.stderr.splitlines()
    assert first.startswith("bad.ndjson:3: occurred_at is more than 85 days ago")
    assert second.startswith("bad.ndjson:5: ")
    assert summary.startswith("bad.ndjson: 2 of 4 events were refused")


def test_bad_events_of_an_array_are_named_by_the_lines_they_begin_on(tmp_path: Path) -> None:
    unknown = payment(event="payment_lost")
    text = json.dumps([payment(), unknown, payment(measurements={})], indent=2)
    begins = [number for number, line in enumerate(text.splitlines(), 1) if line == "  {"]
    answer = check(tmp_path, "events", text, name="bad.json")
    assert answer.returncode == 1
    first, second, _ = answer.stderr.splitlines()
    assert first.startswith(f"bad.json:{begins[1]}: event ")
    assert second.startswith(f"bad.json:{begins[2]}: measurements lacks amount")


@pytest.mark.parametrize("text", ["", "[]", "[1, 2", '{"id": 1}}', "\x00"])
def test_what_holds_no_event_at_all_is_refused(tmp_path: Path, text: str) -> None:
    answer = check(tmp_path, "events", text, name="bad.json")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("bad.json")
    assert "Traceback" not in answer.stderr


def test_events_are_checked_against_the_configuration(tmp_path: Path) -> None:
    """Its option, its variable, and the file that lies beside."""
    text = json.dumps(payment(occurred_at="2020-01-01T00:00:00Z"))
    (tmp_path / "long.yml").write_text("id_retention_days: 3650\n")
    assert check(tmp_path, "events", text, name="old.json").returncode == 1
    assert check(tmp_path, "events", text, "--config", "long.yml", name="old.json").returncode == 0
    named = {"BILLING_CONFIG": "long.yml"}
    assert run_command(tmp_path, named, "check", "events", "old.json").returncode == 0
    (tmp_path / "long.yml").rename(tmp_path / "billing.yml")
    assert check(tmp_path, "events", text, name="old.json").returncode == 0


def test_the_shipped_catalogue_is_good(tmp_path: Path) -> None:
    answer = run_command(tmp_path, {}, "check", "catalogue")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("worst case ")
    shown = json.loads(run_command(tmp_path, {}, "check", "catalogue", "-o", "json").stdout)
    assert (shown["ok"], shown["findings"]) == (True, [])
