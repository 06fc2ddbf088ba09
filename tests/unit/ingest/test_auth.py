"""The admin key."""

from typing import Any

import pytest

from exporter.errors import Unauthenticated
from exporter.ingest.auth import AdminKey

KEY = "an-admin-key-\u00e9\u00e8"


def scope(*values: bytes) -> dict[str, Any]:
    return {"headers": [(b"authorization", value) for value in values]}


def test_the_key_opens() -> None:
    for value in (f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY} "):
        AdminKey(KEY).check(scope(value.encode()))


@pytest.mark.parametrize(
    "values",
    [
        (),
        (b"",),
        (b"Bearer",),
        (b"Bearer ",),
        (b"Bearer x",),
        (f"Bearer {KEY}x".encode(),),
        (f"Basic {KEY}".encode(),),
        (KEY.encode(),),
        (f"Bearer {KEY}".encode("latin-1"),),
        (f"Bearer {KEY}".encode(), b"Bearer wrong"),
    ],
)
def test_nothing_else_does(values: tuple[bytes, ...]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        AdminKey(KEY).check(scope(*values))
    assert KEY not in str(refused.value)
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer ")


def test_an_empty_key_can_not_be_configured() -> None:
    with pytest.raises(ValueError, match="let everybody in"):
        AdminKey("")


def test_the_key_is_not_held() -> None:
    assert KEY not in repr(vars(AdminKey(KEY)))
