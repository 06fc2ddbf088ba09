"""The part `alertmanager` of billing.yml: every fault with its line and its remedy."""

from pathlib import Path

import pytest

from exporter.settings import Config, SettingsError, read_config

FAULTY = """\
alertmanager:
  channels:
    critical: [pager, email, pager]
    warning: []
  email:
    critical: ["Admin <admin@example.com>"]
    warning: ["{{ .Labels.who }}@example.com"]
    info: []
    from_address: nobody
    reply_to: a@b@c
    smarthost: smtp.example.com
    username: "{{ secret }}"
    require_tls: maybe
  slack_channel: Billing Alerts
  pagerduty_url: events.pagerduty.com
  business_hours:
    days: [monday, someday]
    start: 9am
    end: 17:00
    time_zone: Mars/Olympus
  exporter: http://exporter:9568/
  addresses: [alertmanager-0]
  internal_hosts: ["http://hooks.internal"]
  secret_files:
    smtp_password: ""
    slack_url: ""
    pagerduty_key: "/etc/{{ key }}"
    exporter_key: ""
    webhooks: ""
  colour: red
"""
TOLD = [
    (3, "channels.critical.0: 'pager' is no channel. Use email, slack, pagerduty."),
    (3, "channels.critical.2: 'pager' is no channel. Use email, slack, pagerduty."),
    (3, "channels.critical: must be one channel or more, each once."),
    (4, "channels.warning: must be one channel or more, each once."),
    (6, "email.critical.0: 'Admin <admin@example.com>' is no mail address, as in "),
    (7, "email.warning.0: '{{ .Labels.who }}@example.com' is no mail address, as in "),
    (8, "email.info: must be one address or more."),
    (9, "email.from_address: 'nobody' is no mail address, as in "),
    (10, "email.reply_to: 'a@b@c' is no mail address, as in "),
    (11, "email.smarthost: must be HOST:PORT, as in "),
    (12, "email.username: must be one word without braces"),
    (13, "email.require_tls: Expected `bool`, got `str`"),
    (14, "slack_channel: must be a channel"),
    (15, "pagerduty_url: must be an http or https address"),
    (17, "business_hours.days.1: Invalid enum value 'someday'"),
    (18, "business_hours.start: must be a time of day in quotes"),
    (19, "business_hours.end: Expected `str`, got `int`"),
    (20, "business_hours.time_zone: 'Mars/Olympus' is no time zone"),
    (21, "exporter: must be an http or https address, without a slash at end."),
    (22, "addresses.0: must be HOST:PORT."),
    (23, "internal_hosts.0: must be a host's name or address."),
    (25, "secret_files.smtp_password: must name a file: "),
    (27, "secret_files.pagerduty_key: must be a path of letters"),
    (28, "secret_files.exporter_key: must name a file: "),
    (29, "secret_files.webhooks: must name a file: "),
    (30, "colour: there is no such key. Remove it or mend its name."),
]


def faults(file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        read_config(file)
    return str(error.value).splitlines()


def test_every_fault_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "billing.yml"
    found = sorted(faults(file, FAULTY))
    expected = sorted(f"{file}:{line}: alertmanager.{what}" for line, what in TOLD)
    # As nothing is sent to Slack there: its file isn't needed.
    assert len(found) == len(expected), "\n".join(found)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)
        assert line.endswith(".")


def test_only_the_files_of_what_is_used_are_needed(tmp_path: Path) -> None:
    file = tmp_path / "billing.yml"
    text = (
        "alertmanager:\n  email: {username: ''}\n"
        "  channels: {critical: [email], warning: [email]}\n"
        "  secret_files: {smtp_password: '', slack_url: '', pagerduty_key: ''}\n"
    )
    file.write_text(text)
    assert read_config(file).alertmanager.secret_files.slack_url == ""
    for used, missing in (
        ("{critical: [pagerduty], warning: [email]}", "pagerduty_key"),
        ("{critical: [email]}", "slack_url"),
    ):
        changed = text.replace("{critical: [email], warning: [email]}", used)
        assert missing in "".join(faults(file, changed))


@pytest.mark.parametrize(
    "hours",
    [
        "{days: [sunday], start: '00:00', end: '24:00', time_zone: Asia/Kathmandu}",
        "{days: [monday, friday], start: '08:30', end: '18:45', time_zone: Europe/Berlin}",
    ],
)
def test_business_hours_are_days_and_times_of_a_zone(tmp_path: Path, hours: str) -> None:
    file = tmp_path / "billing.yml"
    file.write_text(f"alertmanager:\n  business_hours: {hours}\n")
    assert read_config(file).alertmanager.business_hours.days


@pytest.mark.parametrize(
    ("hours", "key"),
    [
        ("{start: '17:00', end: '09:00'}", "end"),
        ("{start: '09:00', end: '09:00'}", "end"),
        ("{start: '9:00'}", "start"),
        ("{end: '24:01'}", "end"),
        ("{days: []}", "days"),
        ("{time_zone: ../../etc/passwd}", "time_zone"),
        ("{time_zone: ''}", "time_zone"),
    ],
)
def test_business_hours_that_are_none_are_refused(tmp_path: Path, hours: str, key: str) -> None:
    found = faults(tmp_path / "billing.yml", f"alertmanager:\n  business_hours: {hours}\n")
    assert all(f"alertmanager.business_hours.{key}: " in line for line in found)


def test_what_is_shipped_fits_its_own_rules(tmp_path: Path) -> None:
    (tmp_path / "billing.yml").write_text("alertmanager: {}\n")
    assert read_config(tmp_path / "billing.yml") == Config()
