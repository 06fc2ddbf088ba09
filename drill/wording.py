"""Whether a message says what its alert does, with nothing left unrendered."""

import re
from collections.abc import Mapping

from drill.inbox import Message

_PARTS = ("summary", "description", "runbook_url")
_UNRENDERED = re.compile(r"\{\{|\}\}|<no value>|%!|<error")
_TEMPLATE = re.compile(r"\{\{.*?\}\}")


def text_faults(annotations: Mapping[str, str], message: Message) -> list[str]:
    """What a message lacks of the annotations, as they stand in the rule, or has unrendered."""
    faults = [
        f"{message.to}: no {part}"
        for part in _PARTS
        if not all(_pattern(annotations[part]).search(text) for text in message.texts)
    ]
    if any(_UNRENDERED.search(text) for text in message.texts):
        faults.append(f"{message.to}: an unrendered template")
    return faults


def _pattern(annotation: str) -> re.Pattern[str]:
    """What an annotation looks like once Prometheus has filled it in."""
    parts = _TEMPLATE.split(" ".join(annotation.split()))
    return re.compile(".+?".join(re.escape(part) for part in parts))
