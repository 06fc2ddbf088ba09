"""What the exporter listens on, and what it is called."""

from pathlib import Path

import pytest

from exporter.settings import SettingsError, load


def fault(folder: Path, environment: dict[str, str]) -> str:
    """The one thing that is wrong."""
    with pytest.raises(SettingsError) as error:
        load(environment, folder)
    (found,) = str(error.value).splitlines()
    return found


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("127.0.0.1:9568", (("127.0.0.1", 9568),)),
        (":9568", (("0.0.0.0", 9568),)),  # noqa: S104 - it means every address
        ("[::1]:9568", (("::1", 9568),)),
        ("localhost:0", (("localhost", 0),)),
        ("127.0.0.1:1, [::]:65535", (("127.0.0.1", 1), ("::", 65535))),
        ("127.0.0.1:1,,127.0.0.1:2,", (("127.0.0.1", 1), ("127.0.0.1", 2))),
    ],
)
def test_addresses_to_listen_on(
    tmp_path: Path, text: str, addresses: tuple[tuple[str, int], ...]
) -> None:
    assert load({"BILLING_LISTEN_ADDRESS": text}, tmp_path).listen_addresses == addresses


@pytest.mark.parametrize(
    "text", ["9568", "host", "host:", "host:x", "host:65536", "h:-1", "h:\u00b2", ","]
)
def test_what_is_no_address(tmp_path: Path, text: str) -> None:
    found = fault(tmp_path, {"BILLING_LISTEN_ADDRESS": text})
    assert "isn't HOST:PORT" in found


@pytest.mark.parametrize("path", ["/m", "/metrics", "/a/b-c_d.e~1", "/.hidden"])
def test_a_telemetry_path(tmp_path: Path, path: str) -> None:
    assert load({"BILLING_TELEMETRY_PATH": path}, tmp_path).telemetry_path == path


@pytest.mark.parametrize(
    "path", ["m", "/", "//", "/m/", "/a b", "/{x}", "/a?b", "/-/ready", "/api/v1/events", "/ä"]
)
def test_what_is_no_telemetry_path_of_its_own(tmp_path: Path, path: str) -> None:
    found = fault(tmp_path, {"BILLING_TELEMETRY_PATH": path})
    assert found.startswith("BILLING_TELEMETRY_PATH must be a path of its own")


@pytest.mark.parametrize("replica", ["a", "main", "billing-0", "A.b_c-9", "r" * 63])
def test_a_replica_name(tmp_path: Path, replica: str) -> None:
    assert load({"BILLING_REPLICA": replica}, tmp_path).replica == replica


@pytest.mark.parametrize("replica", ["-a", ".", "..", "a/b", "a b", "ä", "a\n b", "r" * 64, '"'])
def test_what_is_no_replica_name(tmp_path: Path, replica: str) -> None:
    found = fault(tmp_path, {"BILLING_REPLICA": replica})
    assert found.startswith("BILLING_REPLICA must be")
