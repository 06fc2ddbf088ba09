"""Rules of a deployment's own, from the files in rules/local/."""

from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from exporter.settings import SettingsError
from exporter.settings.strict_yaml import Document, Place

LOCAL = Path(__file__).parent / "local"
SEVERITIES = ("critical", "warning", "info")


def read_own(folder: Path, taken: Container[str]) -> list[dict[str, Any]]:
    """The rule groups of all files in `folder`, in the order of their names.

    Raises SettingsError naming each fault with its file and line: what isn't a rule, names that are
    `taken`, and alerts that would not be routed.
    """
    groups: list[dict[str, Any]] = []
    faults = []
    for path in sorted(folder.glob("*.yml")):
        document = Document(path, path.read_text(encoding="utf-8"))
        names = {group["name"] for group in groups}
        try:
            document.check([*_faults(document.content, names, taken)])
        except SettingsError as error:
            faults.append(str(error))
            continue
        groups += document.content["groups"]
    if faults:
        raise SettingsError("\n".join(faults))
    return groups


def _faults(
    content: dict[Any, Any], before: Container[str], taken: Container[str]
) -> Iterator[tuple[Place, str]]:
    for key in content.keys() - {"groups"}:
        yield (str(key),), "there is no such key. Write `groups`."
    if not isinstance(groups := content.get("groups"), list):
        yield ("groups",), "must be a list of rule groups."
        return
    for at, group in enumerate(groups):
        place = ("groups", str(at))
        name = group.get("name") if isinstance(group, dict) else None
        rules = group.get("rules") if isinstance(group, dict) else None
        if not isinstance(name, str) or not isinstance(rules, list):
            yield place, "must be a group with a `name` and `rules`."
            continue
        if name in before or name in taken:
            yield (*place, "name"), f"{name!r} is taken. Choose another name."
        for number, rule in enumerate(rules):
            yield from _rule_faults((*place, "rules", str(number)), rule, taken)


def _rule_faults(place: Place, rule: Any, taken: Container[str]) -> Iterator[tuple[Place, str]]:
    if not isinstance(rule, dict) or not isinstance(rule.get("expr"), str):
        yield place, "must be a rule with an `expr`."
        return
    if "alert" not in rule:
        return
    labels, annotations = rule.get("labels") or {}, rule.get("annotations") or {}
    if rule["alert"] in taken:
        yield (*place, "alert"), f"{rule['alert']!r} is one of ours. Choose another name."
    if labels.get("severity") not in SEVERITIES:
        yield (*place, "labels"), f"needs a severity: {', '.join(SEVERITIES)}."
    if labels.get("component") != "billing":
        yield (*place, "labels"), "needs `component: billing`, by which it is routed."
    if not annotations.get("summary"):
        yield (*place, "annotations"), "needs a summary."
