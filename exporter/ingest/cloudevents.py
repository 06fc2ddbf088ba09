"""CloudEvents 1.0 in JSON: their attributes are ours under other names."""

from typing import Any

from exporter.catalogue.events import APP_KINDS
from exporter.ingest import strict_json
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.entry import Entry

_KINDS = {kind.name for kind in APP_KINDS}
_MAX_SOURCE = 255
# Theirs, and what it is here.
_ATTRIBUTES = (("id", "id"), ("time", "occurred_at"))


def decode(raw: bytes, telemetry: Telemetry, organization_id: str | None = None) -> Entry:
    """The entry of one structured CloudEvent; its `source` is the scope of its id.

    `type` is the event's kind, alone or after a dot (`com.example.payment_processed`), `time`
    is `occurred_at`, `data` holds `measurements` and `metadata`. Extension attributes are
    ignored. Raises EventRefusedError, or MalformedBody where it isn't JSON.
    """
    value = strict_json.decode(raw)
    if not isinstance(value, dict):
        raise EventRefusedError("it isn't a JSON object", "Send CloudEvents in structured mode.")
    if value.get("specversion") != "1.0":
        raise EventRefusedError('specversion isn\'t "1.0"', "Send CloudEvents 1.0.")
    source = value.get("source")
    if not isinstance(source, str) or not 0 < len(source) <= _MAX_SOURCE or "\0" in source:
        raise EventRefusedError(
            f"source must be text of 1 to {_MAX_SOURCE} characters without U+0000",
            "Name the sender there.",
        )
    event = {"event": _kind(value.get("type")), **_data(value.get("data"))}
    for theirs, ours in _ATTRIBUTES:
        if theirs not in value:
            raise EventRefusedError(f"{theirs} is missing", f"Send the event's {theirs}.")
        event[ours] = value[theirs]
    return telemetry.convert(event, source, organization_id)


def _kind(type_: Any) -> str:
    kind = type_.rpartition(".")[2] if isinstance(type_, str) else None
    if kind not in _KINDS:
        raise EventRefusedError(
            "type doesn't end in a kind that apps send", f"Use one of {', '.join(sorted(_KINDS))}."
        )
    return kind


def _data(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise EventRefusedError(
            "data isn't a JSON object", "Put measurements and metadata there, as JSON."
        )
    taken = {"id", "event", "occurred_at"} & data.keys()
    if taken:
        raise EventRefusedError(
            f"data holds {', '.join(sorted(taken))}", "These belong to the CloudEvent's attributes."
        )
    return data
