"""What somebody who has started the demo is told."""

from demo.files import PROJECT
from demo.stack import Stack
from exporter.cli.secrets import ADMIN_KEY_FILE

_DASHBOARDS = PROJECT / "dashboards" / "generated"


def notice(stack: Stack, grafana: str) -> str:
    """The addresses to open, and what is kept where."""
    place = stack.place
    rows = {
        "exporter": stack.exporter_url,
        "Prometheus": stack.prometheus_url,
        "its alerts": f"{stack.prometheus_url}/alerts",
        "Alertmanager": stack.alertmanager_url,
        "API key": place.exporter / ADMIN_KEY_FILE,
        "mails": place.mails,
        "logs": place.logs,
        "dashboards": f"{_DASHBOARDS}, to be imported",
    }
    if grafana:
        rows["Grafana"] = f"{grafana}, which needs them first: make dashboards-upload"
    given_up = stack.addresses.taken()
    taken = f"\nOther ports are used in place of {', '.join(given_up)}.\n" if given_up else ""
    table = "\n".join(f"  {name:<13} {what}" for name, what in rows.items())
    return f"\nThe demo runs. Ctrl-C ends all of it.\n\n{table}\n{taken}"
