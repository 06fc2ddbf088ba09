"""The page about alerts, usage and quotas: every command in it does what it says."""

import json
import re
from pathlib import Path

from tests.contract.test_backup_docs import commands, run_shell
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.organizations import alerts_of, call, use
from tests.support.tree import PROJECT

_JSON = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documents(text: str) -> list[dict[str, object]]:
    """The JSON documents that stand one behind another."""
    found = []
    decoder = json.JSONDecoder()
    while text.strip():
        value, end = decoder.raw_decode(text := text.lstrip())
        found.append(value)
        text = text[end:]
    return found


def raise_alert(process: ExporterProcess, quota: int) -> str:
    """The id of an alert that acme has."""
    call(process, "PUT", "/api/v1/organizations/acme/quotas/fix", {"quota": quota})
    return str(alerts_of(process, "acme", status="active")[0]["id"])


def test_the_page_about_alerts_is_true(tmp_path: Path, database_url: str) -> None:
    listing, taking, ending, reading, quotas, mapping, showing, together = commands("api.md")
    with running_exporter(tmp_path, database_url) as process:
        use(process, "acme", 85)
        alert = raise_alert(process, 100)

        def run(script: str) -> str:
            return run_shell(
                tmp_path, process, script, EXPORTER=process.url, KEY=ADMIN_KEY, ALERT=alert
            )

        page = json.loads(run(listing))
        assert [one["id"] for one in page["alerts"]] == [alert]
        (shown,) = _JSON.findall((PROJECT / "docs/api.md").read_text())
        assert json.loads(shown).keys() == page["alerts"][0].keys()
        own = {name: json.loads(shown)[name] for name in ("title", "message", "data", "severity")}
        assert own == {name: page["alerts"][0][name] for name in own}

        (taken,) = documents(run(taking))
        assert str(taken["alert"]).count("anna (the admin key of the settings)") > 0
        left, ended = documents(run(ending))
        assert (left["outcome"], ended["outcome"]) == ("unacknowledged", "resolved")

        usage, history, subscription = documents(run(reading))
        assert usage["organizationId"] == subscription["organizationId"] == "acme"
        assert "history" in history
        put, deleted = documents(run(quotas))
        assert (put["outcome"], deleted["outcome"]) == ("set", "cleared")
        (mapped,) = documents(run(mapping))
        assert mapped["outcome"] == "mapped"

        told = run(showing)
        for text in (alert, "They pay for more.", "acme fix set", "cus_456 mapped to acme"):
            assert text in told
        worse = raise_alert(process, 80)
        assert f"{worse} resolved\n" in run(together)
        assert alerts_of(process, "acme", status="active") == []


def test_the_program_on_the_page_does_what_it_says(tmp_path: Path, database_url: str) -> None:
    (program,) = _PYTHON.findall((PROJECT / "docs/api.md").read_text())
    (tmp_path / "program.py").write_text(program)
    with running_exporter(tmp_path / "main", database_url) as process:
        use(process, "acme", 85)
        raise_alert(process, 100)
        told = run_shell(tmp_path, process, "python program.py")
        health, _, rest = told.partition("\n")
        assert health.split()[0] in {"healthy", "degraded", "unknown"}
        assert rest.startswith("[('fix', 85, 100, 'warning')]\n[]\n")
        (alert,) = alerts_of(process, "acme")
        assert alert["resolution"] == "Resolved by admin"
