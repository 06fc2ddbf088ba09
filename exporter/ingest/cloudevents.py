"""CloudEvents 1.0 in JSON: their attributes are ours under other names."""

from typing import Any

from exporter.catalogue.events import APP_KINDS
from exporter.ingest.telemetry import EventRefusedError, Telemetry
from exporter.ledger.entry import Entry

_KINDS = {kind.name for kind in APP_KINDS}
_MAX_SOURCE = 255


def to_entry(value: Any, telemetry: Telemetry) -> Entry:
    """The entry of one structured CloudEvent; its `source` is the scope of its id.

    `type` is the event's kind, alone or after a dot (`com.example.payment_processed`), `time`
    is `occurred_at`, `data` holds `measurements` and `metadata`. Extension attributes are
    ignored. Raises EventRefusedError.
    """
    if not isinstance(value, dict):
        raise EventRefusedError("it isn't a JSON object", "Send CloudEvents in structured mode.")
    if value.get("specversion") != "1.0":
        raise EventRefusedError('specversion isn\'t "1.0"', "Send CloudEvents 1.0.")
    source = value.get("source")
    if not isinstance(source, str) or not 0 < len(source) <= _MAX_SOURCE or "\0" in source:
        raise EventRefusedError(
            f"source must be text of 1 to {_MAX_SOURCE} characters", "Name the sender there."
        )
    kind = value.get("type")
    kind = kind.rpartition(".")[2] if isinstance(kind, str) else kind
    if kind not in _KINDS:
        raise EventRefusedError(
            "type doesn't end in a kind that apps send", f"Use one of {', '.join(sorted(_KINDS))}."
        )
    data = value.get("data")
    if not isinstance(data, dict):
        raise EventRefusedError(
            "data isn't a JSON object", "Put measurements and metadata there, as JSON."
        )
    taken = {"id", "event", "occurred_at"} & data.keys()
    if taken:
        raise EventRefusedError(
            f"data holds {', '.join(sorted(taken))}", "These belong to the CloudEvent's attributes."
        )
    event = {"event": kind, **data}
    for ours, theirs in (("id", "id"), ("occurred_at", "time")):
        if theirs in value:
            event[ours] = value[theirs]
    return telemetry.convert(event, source)
