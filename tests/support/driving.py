"""Every route and every command, called well and badly, with something secret in the calls."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from exporter.cli import main
from exporter.web.access import routes_with
from tests.support.canaries import Canaries
from tests.support.command import run_command
from tests.support.exporter import ExporterProcess
from tests.support.stripe import sign
from tests.support.telemetry import payment

# Commands that want arguments; the others are run without any.
ARGUMENTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "alerts ack": (("00000000-0000-0000-0000-000000000000", "--note", "x"),),
    "alerts resolve": (("00000000-0000-0000-0000-000000000000", "--reason", "x"),),
    "alerts show": (("00000000-0000-0000-0000-000000000000",), ("1",)),
    "backup": (("backup.bin", "--no-check"),),
    "check catalogue": ((),),
    "check config": (("billing.yml",), ("web.yml",), (".env",)),
    "check events": (("events.json",),),
    "customers map": (("cus_1", "acme"),),
    "dead-letters replay": (("1",), ("999",)),
    "erase": (("nobody@example.com", "--dry-run"),),
    "keys create": (),
    "keys revoke": (("kid_0000000000000000",),),
    "quotas clear": (("acme", "fix"),),
    "quotas set": (("acme", "fix", "100"), ("acme", "fix", "many")),
    "restore": (("events.json",),),
    "serve": (("--web.listen-address", "127.0.0.1:1"), ("--web.config.file", "events.json")),
    "simulate": (("--events", "3", "--dry-run"), ("--url", "http://127.0.0.1:1", "--events", "3")),
    "report": ((), ("acme",), ("nobody",)),
    "usage": (("acme",), ("nobody",)),
    "verify": (
        ("--alertmanager", "http://127.0.0.1:1", "--grafana", "http://127.0.0.1:1"),
        ("--prometheus", "http://127.0.0.1:1", "-o", "json"),
        ("--rules", "."),
    ),
}

# What stands in a path so that a request gets as far as its body; 1 for the rest.
NAMED = {"id": "00000000-0000-0000-0000-000000000000", "meter": "fix", "scope": "own:live"}


def bad_headers(canary: str, content_type: str) -> Iterator[dict[str, str]]:
    """Requests that carry something secret in places where it belongs and where it doesn't."""
    basic = base64.b64encode(f"prometheus:{canary}".encode()).decode()
    for authorization in (f"Bearer {canary}", f"Basic {basic}", canary, f"Digest {canary}"):
        yield {"Authorization": authorization, "Content-Type": content_type}
    yield {"Stripe-Signature": f"t=1,v1={canary}", "Content-Type": content_type}
    yield {"Stripe-Signature": canary, "Content-Type": canary, "Content-Encoding": canary}
    yield {"X-Api-Key": canary, "Cookie": f"session={canary}", "Accept": canary}
    yield {"Billing-Operator": canary, "Referer": f"https://u:{canary}@host/", "User-Agent": canary}


def bad_bodies(canary: str) -> Iterator[bytes]:
    """What is no event, with something secret in it."""
    yield canary.encode()
    yield b'{"password": "' + canary.encode()
    bad: list[Any] = [
        payment(password=canary),
        payment(occurred_at=canary),
        payment(event=canary),
        payment(measurements={"amount_cents": canary}),
        payment(metadata={"customer_id": {"secret": canary}}),
        {canary: canary},
        canary,
        [canary],
    ]
    for content in bad:
        yield json.dumps(content).encode()


def stripe_bodies(canary: str) -> Iterator[bytes]:
    """Signed events, among them one that becomes a dead letter."""
    base = {"object": "event", "livemode": True, "api_version": canary}
    charge = {"object": "charge", "id": "ch_1", "client_secret": canary}
    good = {**base, "id": "evt_1", "type": "charge.updated", "data": {"object": charge}}
    broken = {"object": "payment_intent", "id": "pi_1", "amount": canary, "client_secret": canary}
    dead = {**base, "id": "evt_2", "type": "payment_intent.succeeded", "data": {"object": broken}}
    yield from (json.dumps(content).encode() for content in (good, dead, {"object": canary}))


def drive_routes(exporter: ExporterProcess, canaries: Canaries, key: str, secret: str) -> None:
    """Every route with every method, good and bad."""
    canary = canaries.make("a request")
    paths = {
        re.sub(r"\{(\w+)\}", lambda found: NAMED.get(found[1], "1"), access.path)
        for access in routes_with("/metrics")
    }
    for path in (*sorted(paths), "/unknown"):
        for method in ("GET", "POST", "PUT", "DELETE"):
            wholes: list[tuple[dict[str, str], bytes]] = [
                (headers, b"{}") for headers in bad_headers(canary, "application/json")
            ]
            if method in ("POST", "PUT") and path.startswith("/api/"):
                authority = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
                wholes += [(authority, body) for body in bad_bodies(canary)]
            for headers, body in wholes:
                answer = exporter.session.request(
                    method,
                    f"{exporter.url}{path}?api_key={canary}",
                    data=body,
                    headers=headers,
                    timeout=30,
                )
                shown = (answer.text, str(answer.headers))
                canaries.note(f"the answer of {method} {path}", *shown)
    for body in stripe_bodies(canary):
        for fits in (secret, canary):
            answer = exporter.send_stripe(body, {"Stripe-Signature": sign(body, fits)})
            canaries.note("the answer to Stripe", answer.text, str(answer.headers))
    assert exporter.send_events(payment(), key=key).status_code == 200


def leaf_commands(group: click.Group = main, prefix: str = "") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaf_commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def drive_commands(folder: Path, environment: Mapping[str, str], canaries: Canaries) -> None:
    """Every command there is, with good and bad arguments, as a table and as JSON."""
    names = {*leaf_commands()}
    assert names >= {*ARGUMENTS}
    for name in sorted(names):
        for arguments in ARGUMENTS.get(name, ((),)):
            answer = run_command(folder, environment, *name.split(), *arguments)
            canaries.note(f"the output of {name}", answer.stdout, answer.stderr)
            assert answer.returncode in (0, 1, 2), answer.stderr
            assert "Traceback" not in answer.stderr
