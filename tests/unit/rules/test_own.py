"""Rules of a deployment's own: taken as they are, or refused with the line."""

from pathlib import Path

import pytest
import yaml

from exporter.settings import SettingsError
from rules.own import LOCAL, read_own

GROUPS = """
groups:
- name: acme
  rules:
  - alert: AcmeTrialsStuck
    expr: acme_trials > 50
    labels: {severity: warning, component: billing}
    annotations: {summary: Many trials end at once.}
  - record: acme:trials:sum
    expr: sum(acme_trials)
"""


def write(folder: Path, text: str, name: str = "acme.yml") -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_groups_of_all_files_are_taken_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, GROUPS.replace("acme", "b").replace("Acme", "B"), "b.yml")
    write(tmp_path, GROUPS, "a.yml")
    groups = read_own(tmp_path, ())
    assert [group["name"] for group in groups] == ["acme", "b"]
    assert groups[0] == yaml.safe_load(GROUPS)["groups"][0]


def test_no_file_is_no_rule(tmp_path: Path) -> None:
    assert read_own(tmp_path, ()) == []


def test_the_example_of_the_page_is_one_that_is_taken(tmp_path: Path) -> None:
    page = (LOCAL / "README.md").read_text(encoding="utf-8")
    write(tmp_path, page.split("```yaml\n")[1].split("```")[0])
    assert [group["name"] for group in read_own(tmp_path, ())] == ["acme"]


@pytest.mark.parametrize(
    ("before", "after", "line", "says"),
    [
        ("groups:", "gruops:", 2, "gruops: there is no such key"),
        ("groups:\n", "groups: 5\nx:\n", 2, "must be a list of rule groups"),
        ("name: acme", "name: taken", 3, "'taken' is taken"),
        ("AcmeTrialsStuck", "BillingOurs", 5, "is one of ours"),
        ("severity: warning", "severity: high", 7, "critical, warning, info"),
        ("component: billing", "component: acme", 7, "component: billing"),
        ("summary:", "text:", 8, "needs a summary"),
        ("expr: sum(acme_trials)", "expr: [1]", 9, "an `expr`"),
        ("  rules:", "  rulez:", 3, "a `name` and `rules`"),
    ],
)
def test_what_would_not_be_routed_is_refused_with_its_line(
    tmp_path: Path, before: str, after: str, line: int, says: str
) -> None:
    assert before in GROUPS
    write(tmp_path, GROUPS.replace(before, after, 1))
    with pytest.raises(SettingsError) as refused:
        read_own(tmp_path, {"taken", "BillingOurs"})
    assert f"acme.yml:{line}: " in str(refused.value)
    assert says in str(refused.value)


def test_a_name_that_two_files_use_is_refused(tmp_path: Path) -> None:
    write(tmp_path, GROUPS, "a.yml")
    write(tmp_path, GROUPS, "b.yml")
    with pytest.raises(SettingsError, match=r"b\.yml:3: .*'acme' is taken"):
        read_own(tmp_path, ())
