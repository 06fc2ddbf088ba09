"""JSON that means the same to every reader, and everything else refused."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import MalformedBody
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.strict_json import decode, is_lenient
from tests.support.json_text import TREES, has_key_twice, plain, spellings


@given(st.data())
def test_a_key_that_stands_twice_is_found_in_every_spelling_and_nowhere_else(
    data: st.DataObject,
) -> None:
    tree = data.draw(TREES)
    text = data.draw(spellings(tree))
    if has_key_twice(tree):
        with pytest.raises(EventRefusedError, match="stands twice in one object"):
            decode(text.encode())
    else:
        assert decode(text.encode()) == plain(tree)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a" :1,"a":1}',
        '{"a":1,"\\u0061":1}',
        '{"\\u0022":1,"\\"":2}',
        '{"\\u0022:":1,"\\":":2}',
        '{"a\\u003a":1,"a:":2}',
        '{"a":{"b":1,"b":1}}',
        '[{"":1,"":1}]',
        '{"a":"\\"","a":1}',
        '{"x":"\\u0022\\u0022","a":1,"a":1}',
        '{"x":"\\\\u0022","a":1,"a":1}',
        '{"\U0001f4a3":1,"\\ud83d\\udca3":1}',
    ],
)
def test_a_key_that_stands_twice_is_found_behind_every_trick(text: str) -> None:
    with pytest.raises(EventRefusedError, match="stands twice in one object"):
        decode(text.encode())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":"\\u0022:\\u0022:"}', {"a": '":":'}),
        ('{"\\u0022":"\\u0022"}', {'"': '"'}),
        ('{"a":1,"A":2,"\\u00e4":3}', {"a": 1, "A": 2, "ä": 3}),
        ('{"a":{"a":{"a":1}}}', {"a": {"a": {"a": 1}}}),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ('"\\ud83d\\udca3"', "\U0001f4a3"),
    ],
)
def test_what_only_looks_alike_is_read(text: str, value: Any) -> None:
    assert decode(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    ["NaN", "[Infinity]", "-Infinity", '"\\ud800"', '{"\\udfff":1}', "[1e999]", "9" * 5_000],
)
def test_what_only_lenient_readers_take_is_refused(text: str) -> None:
    assert is_lenient(text.encode())
    with pytest.raises(EventRefusedError):
        decode(text.encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{}{}",
        b"[1,]",
        b"01",
        b"'a'",
        b"nan",
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16-le"),
        b'"\xff"',
        b'{"\xff":1}',
        b'"\xed\xa0\x80"',
        b'"\x00"',
        b'{"a":NaN',
    ],
)
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    assert not is_lenient(raw)
    with pytest.raises(MalformedBody, match="valid JSON"):
        decode(raw)


@pytest.mark.parametrize("depth", [900, 980, 990, 1_000, 1_100, 3_000, 200_000])
def test_depth_ends_in_an_error_of_ours_wherever_the_bound_lies(depth: int) -> None:
    """Around the interpreter's own bound, in every part of reading."""
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}"), (b'{"a" :', b"}")):
        raw = opening * depth + b"1" + closing * depth
        try:
            decode(raw)
        except MalformedBody as error:
            refusal = error.detail
        else:
            refusal = ""
        assert refusal == "It is nested too deeply." or (not refusal and depth < 200_000)


@given(st.binary(max_size=40) | st.text('[]{},:"\\\\u0dea1eN. -', max_size=40).map(str.encode))
def test_any_bytes_give_a_value_or_an_error_of_ours(raw: bytes) -> None:
    with contextlib.suppress(MalformedBody, EventRefusedError):
        decode(raw)
