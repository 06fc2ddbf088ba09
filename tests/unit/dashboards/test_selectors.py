"""What an expression selects is read from its text as Prometheus reads it."""

import pytest

from dashboards.selectors import read_selectors, read_windows


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up", ["up"]),
        ('sum by (job, le) (rate(a_bucket{le="+Inf"}[5m]))', ["a_bucket"]),
        ("sum(a) without (job) / on (job) group_left (x) b", ["a", "b"]),
        ("a and on () b unless c or d offset 5m", ["a", "b", "c", "d"]),
        ("histogram_quantile(0.95, a) > bool 1e3", ["a"]),
        ('label_replace(a, "job", "$1", "x", "b{c}")', ["a"]),
        ("a{x='it is {b}'} + 2 * a:b:c", ["a", "a:b:c"]),
        ("increase(a[$__range]) - a offset ${__range} + $factor", ["a", "a"]),
        ("vector(0) or -1 * group(a{})", ["a"]),
    ],
)
def test_the_names_of_what_is_selected(expression: str, names: list[str]) -> None:
    assert [selector.name for selector in read_selectors(expression)] == names


def test_matchers_are_those_of_each_selector() -> None:
    first, second = read_selectors('a{job=~"$job", x != "}"} / b{ y="1" }')
    assert first.matchers == {'job=~"$job"', 'x!="}"'}
    assert second.matchers == {'y="1"'}


def test_the_windows() -> None:
    expression = 'rate(a{x="[7m]"}[5m]) + max_over_time(b[$__range:1m])'
    assert list(read_windows(expression)) == ["5m", "$__range:1m"]
