"""What lies behind basic authentication and the rate limit, and what doesn't."""

from typing import Any

import bcrypt
import pytest

from exporter.settings.web_config import WebConfig
from exporter.web.basic_auth import Passwords
from exporter.web.guard import guarded
from exporter.web.problems import App, Message, Receive, Send
from exporter.web.rate_limit import Bucket
from exporter.web.web_file import InForce
from tests.support.asgi import ask

ALICE = "Basic YWxpY2U6c2VjcmV0"  # alice:secret
HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
KEYS = ("an-admin-key-of-some-length", "an-older-key-of-some-length")


async def page(_: Any, __: Receive, send: Send) -> None:
    """Answers everything."""
    start: Message = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    await send({"type": "http.response.body", "body": b"here"})


def behind(users: bool = True, bucket: Bucket | None = None) -> App:
    passwords = Passwords({"alice": HASH}) if users else None
    in_force = InForce(WebConfig(), passwords, bucket, [])
    return guarded(page, lambda: in_force, lambda: KEYS)


@pytest.mark.parametrize("path", ["/", "/metrics", "/status", "/unknown", "/-/other", "/api"])
async def test_what_is_open_by_default_asks_for_a_password(path: str) -> None:
    app = behind()
    refused = await ask(app, "GET", path)
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="billing", charset="UTF-8"'
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await ask(app, "GET", path, Authorization=ALICE)).body == b"here"
    assert (await ask(app, "GET", path, Authorization=ALICE[:-4])).status == 401


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready", "/api/v1/events", "/api/x"])
async def test_probes_and_what_has_its_own_authority_do_not(path: str) -> None:
    assert (await ask(behind(), "GET", path)).body == b"here"


@pytest.mark.parametrize("key", KEYS)
async def test_an_admin_key_opens_it_too(key: str) -> None:
    assert (await ask(behind(), "GET", "/metrics", Authorization=f"Bearer {key}")).status == 200
    for wrong in (key[:-1], "", f"{key}x"):
        refused = await ask(behind(), "GET", "/metrics", Authorization=f"Bearer {wrong}")
        assert refused.status == 401


async def test_without_users_nothing_is_asked_for() -> None:
    assert (await ask(behind(users=False), "GET", "/metrics")).status == 200


async def test_the_rate_is_limited_before_any_password_is_computed() -> None:
    now = [0.0]
    app = behind(bucket=Bucket(10.0, 2, lambda: now[0]))
    for status in (200, 200, 429):
        answer = await ask(app, "GET", "/metrics", Authorization=ALICE)
        assert answer.status == status
    assert answer.headers["retry-after"] == "10"
    assert (await ask(app, "GET", "/-/healthy")).status == 200
    assert (await ask(app, "POST", "/api/v1/events")).status == 200
    now[0] = 10.0
    assert (await ask(app, "GET", "/metrics", Authorization=ALICE)).status == 200
    assert (await ask(app, "GET", "/metrics", Authorization=ALICE)).status == 429


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    now = [0.0]
    bucket = Bucket(0.5, 3, lambda: now[0])
    now[0] = 1000.0
    assert [bucket.take() for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 0.5]
