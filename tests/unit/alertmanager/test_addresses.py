"""Addresses that alerts may be posted to: nothing but public hosts, and those that were named."""

from collections.abc import Collection

import pytest

from alertmanager.addresses import check_addresses, find_fault
from exporter.settings import Secret, SettingsError, Webhooks

PUBLIC = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")
NAMES = {
    "hooks.example.com": PUBLIC,
    "private.example.com": ("10.1.2.3",),
    "mixed.example.com": (*PUBLIC, "127.0.0.1"),
    "mapped.example.com": ("::ffff:169.254.169.254",),
    "metadata.google.internal": ("169.254.169.254",),
    "empty.example.com": (),
    "odd.example.com": ("not an address",),
}
GOOD = (
    "https://hooks.example.com",
    "https://hooks.example.com:8443/a/b?token=1",
    "https://HOOKS.example.com/T0/B0/x",
    "https://93.184.216.34/hook",
    "https://[2606:2800:220:1:248:1893:25c8:1946]/hook",
    "https://[::ffff:93.184.216.34]/hook",
)
BAD = (
    "http://hooks.example.com/hook",
    "ftp://hooks.example.com/hook",
    "https://user:c4n4ry@hooks.example.com/",
    "https://c4n4ry@127.0.0.1/",
    "https://hooks.example.com@127.0.0.1/",
    "https://hooks.example.com/#fragment",
    "https://localhost/hook",
    "https://localhost.localdomain/hook",
    "https://127.0.0.1/hook",
    "https://127.1/hook",
    "https://127.0.0.1.:443/hook",
    "https://2130706433/hook",
    "https://0x7f000001/hook",
    "https://0x7f.0.0.1/hook",
    "https://0177.0.0.1/hook",
    "https://017700000001/hook",
    "https://0.0.0.0/hook",
    "https://0/hook",
    "https://10.0.0.1/hook",
    "https://172.16.0.1/hook",
    "https://192.168.1.1/hook",
    "https://100.64.0.1/hook",
    "https://100.100.100.200/latest/meta-data",
    "https://169.254.169.254/latest/meta-data",
    "https://168.63.129.16/metadata",
    "https://192.0.0.192/opc/v2",
    "https://198.18.0.1/hook",
    "https://224.0.0.1/hook",
    "https://255.255.255.255/hook",
    "https://240.0.0.1/hook",
    "https://[::]/hook",
    "https://[::1]/hook",
    "https://[::127.0.0.1]/hook",
    "https://[::ffff:127.0.0.1]/hook",
    "https://[::ffff:10.0.0.1]/hook",
    "https://[fe80::1]/hook",
    "https://[fe80::1%25eth0]/hook",
    "https://[fd00:ec2::254]/latest/meta-data",
    "https://[fec0::1]/hook",
    "https://[ff02::1]/hook",
    "https://[64:ff9b::7f00:1]/hook",
    "https://[64:ff9b::a9fe:a9fe]/hook",
    "https://[2002:7f00:1::]/hook",
    "https://[2002:a9fe:a9fe::]/hook",
    "https://[2001:0:0a00:1::1]/hook",
    "https://metadata.google.internal/computeMetadata/v1",
    "https://private.example.com/hook",
    "https://mixed.example.com/hook",
    "https://mapped.example.com/hook",
    "https://empty.example.com/hook",
    "https://odd.example.com/hook",
    "https://unknown.example.com/hook",
    "https://127.0.0.1%2f@hooks.example.com/",
    "https://ⓛocalhost/hook",
)


def resolve(host: str) -> Collection[str]:
    if host not in NAMES:
        raise OSError
    return NAMES[host]


@pytest.mark.parametrize("url", GOOD)
def test_a_public_host_by_https_may_be_posted_to(url: str) -> None:
    assert find_fault(url, (), resolve) == ""


@pytest.mark.parametrize("url", BAD)
def test_nothing_else_may(url: str) -> None:
    fault = find_fault(url, (), resolve)
    assert fault.endswith(".")
    assert "c4n4ry" not in fault


def test_a_name_that_moves_is_looked_at_as_it_is_now() -> None:
    answers = iter([PUBLIC, ("127.0.0.1",)])
    found = [find_fault("https://hooks.example.com/", (), lambda _: next(answers)) for _ in "ab"]
    assert found[0] == ""
    assert "isn't public" in found[1]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/hook", "https://HOOKS.internal/", "http://[::1]:9/"]
)
def test_a_host_that_is_named_may_be_internal(url: str) -> None:
    internal = {"127.0.0.1", "hooks.internal", "::1"}
    assert find_fault(url, internal, resolve) == ""
    assert find_fault(url, internal - {"127.0.0.1", "hooks.internal", "::1"}, resolve) != ""


def test_a_name_and_a_password_are_refused_for_internal_hosts_too() -> None:
    assert find_fault("http://a:b@127.0.0.1/", {"127.0.0.1"}, resolve) != ""


def test_every_fault_is_told_by_its_number_and_without_the_address() -> None:
    webhooks = Webhooks(
        Secret("https://hooks.example.com/c4n4ry", "https://10.0.0.1/c4n4ry"),
        Secret("http://hooks.example.com/c4n4ry"),
    )
    with pytest.raises(SettingsError) as error:
        check_addresses(webhooks, (), resolve)
    first, second = str(error.value).splitlines()
    assert first.startswith("CUSTOM_WEBHOOKS: address 2 leads to an address that isn't public")
    assert second.startswith("BILLING_HEARTBEAT_URL: the address isn't https")
    assert "c4n4ry" not in str(error.value)
    assert "10.0.0.1" not in str(error.value)


def test_internal_hosts_are_named_as_they_are_written() -> None:
    webhooks = Webhooks(Secret("http://[::1]:8080/hook", "http://hooks.INTERNAL/hook"))
    check_addresses(webhooks, ("[::1]", "Hooks.internal"), resolve)
