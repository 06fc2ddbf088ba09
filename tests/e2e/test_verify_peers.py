"""`verify` beside several of a kind: whom it waits for, and whom it shows its key."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from alertmanager.build import WITH_ADDRESSES
from drill.plan import MINUTES
from drill.stack import Stack, launched
from exporter.ledger.ports import find_free_port
from tests.support.alertmanager import AlertmanagerServer
from tests.support.command import run_command
from tests.support.exporter import ADMIN_KEY
from tests.support.stand_in import StandIn, Told
from tests.support.verifying import look, run
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with launched(MINUTES) as stack:
        yield stack


def test_a_pair_of_alertmanagers_that_wait_for_each_other_is_sound(
    stack: Stack, tmp_path: Path
) -> None:
    gossip = [f"127.0.0.1:{find_free_port()}" for _ in range(2)]
    pair = [
        AlertmanagerServer(
            tmp_path / f"server-{number}",
            stack.folder / Path(WITH_ADDRESSES).name,
            (
                f"--cluster.listen-address={gossip[number]}",
                f"--cluster.peer={gossip[1 - number]}",
                # More than is waited for one that waits for nobody.
                "--cluster.peer-timeout=22s",
                "--cluster.settle-timeout=1s",
            ),
        )
        for number in range(2)
    ]
    with pair[0], pair[1]:
        for one in pair:
            wait_until(lambda one=one: len(one.status()["cluster"]["peers"]) == 2, 30, "they meet")
        urls = ",".join(one.url for one in pair)
        given = ("verify", "-o", "json", "--no-forged-webhook", "--test-alert")
        told = json.loads(run(stack, *given, ALERTMANAGER_URL=urls).stdout)["items"]
    trials = [one["found"] for one in told if one["check"] == "trial" and one["answer"] == "yes"]
    assert len(trials) == 2, told


def test_the_admin_key_goes_to_the_own_address_alone_and_none_is_made(
    stack: Stack, tmp_path: Path
) -> None:
    sent: list[str | None] = []

    def note(_: str, __: str, headers: Mapping[str, str], ___: bytes) -> Told:
        sent.append(headers.get("Authorization"))
        return Told(404, b"")

    (tmp_path / "web.yml").write_text("{}")
    settings = {"BILLING_WEB_CONFIG_FILE": str(tmp_path / "web.yml")}
    with StandIn(note) as other:
        address = other.url.removeprefix("http://")
        mine = {**settings, "BILLING_LISTEN_ADDRESS": address}
        look(stack, "--exporter", other.url, **settings)
        look(stack, "--exporter", f"http://ops:own-password@{address}", **mine)
        basic = base64.b64encode(b"ops:own-password").decode()
        assert {*sent} == {None, f"Basic {basic}"}
        sent.clear()
        look(stack, "--exporter", other.url, **mine)
        assert {*sent} == {f"Bearer {ADMIN_KEY}"}
        # In development nothing is made, as nothing may be changed.
        sent.clear()
        data = tmp_path / "data"
        data.mkdir()
        fresh = {**mine, "BILLING_DATA_DIR": str(data)}
        told = run_command(tmp_path, fresh, "verify", "--no-forged-webhook")
        assert "? not reachable The five metrics" in told.stdout
        assert {*sent} == {None}
        assert [*data.iterdir()] == []
