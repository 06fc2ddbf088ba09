"""The bundle writes JSON, which has no place for a header: it knows it by its folder."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bundle import PARTS, Part, UnreadableError, differences, render, write
from exporter.settings import Config, StripeConfig

FOLDER = "dashboards/generated"


def part(texts: Mapping[str, str], folder: str = "some/generated") -> Part:
    return Part(lambda _: texts, "some/", folder)


def test_a_dashboard_that_nothing_builds_any_more_is_removed(tmp_path: Path) -> None:
    every, without = Config(), Config(stripe=StripeConfig(webhooks=False))
    write(tmp_path, differences(tmp_path, PARTS["dashboards"], every))
    assert differences(tmp_path, PARTS["dashboards"], every) == []
    found = differences(tmp_path, PARTS["dashboards"], without)
    orphans = {difference.path for difference in found if difference.text is None}
    forms = ("provisioned", "import", "api")
    assert orphans == {f"{FOLDER}/{form}/billing-stripe.json" for form in forms}
    write(tmp_path, found)
    assert [*tmp_path.rglob("billing-stripe.json")] == []
    assert differences(tmp_path, PARTS["dashboards"], without) == []


def test_json_outside_of_a_generated_folder_belongs_to_somebody(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "own.json").write_text("{}\n")
    docs = part({"docs/page.md": "# Page\n"}, "docs")
    assert [one.path for one in differences(tmp_path, docs, Config())] == ["docs/page.md"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not strict JSON"),
        ("[]\n", "holds no object"),
        ('{"a": 1, "b": 2, "a": 3}\n', "a stands in one object twice"),
        ('{"a": [{"b": 1, "b": 1}]}\n', "b stands in one object twice"),
        ('{"a": NaN}\n', "NaN is no number"),
        ('{"a": -Infinity}\n', "-Infinity is no number"),
        ("{}", "must end with one newline"),
    ],
)
def test_json_that_readers_could_read_differently_is_never_written(text: str, says: str) -> None:
    text = text if says.endswith("newline") else text.rstrip() + "\n"
    with pytest.raises(UnreadableError, match=says):
        render(part({"some/generated/a.json": text}), Config())
