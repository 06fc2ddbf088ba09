"""Where alerts may be posted to: public hosts by https, and internal ones that were named.

Alertmanager asks for a host's addresses again when it posts and can't be told which to take, so a
name that is moved to a private address later is kept out by the network's egress rules alone.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Collection, Iterator
from urllib.parse import urlsplit

from exporter.settings import SettingsError, Webhooks

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str], Collection[str]]

# Public by number or to some versions of Python, but clouds' own services on their machines.
_METADATA = (
    ipaddress.IPv4Network("168.63.129.16/32"),
    ipaddress.IPv4Network("192.0.0.0/24"),
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAME = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


def resolve(host: str) -> Collection[str]:
    """Every address of a host, as text. Raises OSError if there is none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return {str(place[0]) for *_, place in found}


def check_addresses(
    webhooks: Webhooks, internal_hosts: Collection[str], resolve: Resolve = resolve
) -> None:
    """Raises SettingsError that names every address that alerts must not be posted to, by its
    number: all of it may be secret.
    """
    listed = [
        *(("CUSTOM_WEBHOOKS", address) for address in webhooks.custom.reveal_all()),
        *(("BILLING_HEARTBEAT_URL", address) for address in webhooks.heartbeat.reveal_all()),
    ]
    internal = {host.lower().strip("[]") for host in internal_hosts}
    faults = []
    for number, (name, url) in enumerate(listed, start=1):
        if fault := find_fault(url, internal, resolve):
            which = f"address {number}" if name == "CUSTOM_WEBHOOKS" else "the address"
            faults.append(f"{name}: {which} {fault}")
    if faults:
        raise SettingsError("\n".join(faults))


def find_fault(url: str, internal_hosts: Collection[str], resolve: Resolve) -> str:
    """Why nothing may be posted there, with the remedy and without a word of it; "" if it may."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if "@" in parts.netloc:
        return "holds a name or a password before its host; put a token into its path."
    if parts.fragment:
        return "has a part behind '#' that is never sent; remove it."
    if host in internal_hosts:
        return ""
    if parts.scheme != "https":
        return "isn't https; name its host in alertmanager.internal_hosts if it is your own."
    literal = _literal(host)
    if literal is None and not _NAME.fullmatch(host):
        return "names its host in an odd way; write the full name, or an address with four numbers."
    try:
        found = [literal] if literal else [*_addresses(resolve(host))]
    except (OSError, ValueError):
        found = []
    if not found:
        return "has a host that can't be resolved here; mend its name."
    if not all(_is_public(address) for address in found):
        return (
            "leads to an address that isn't public; name its host in "
            "alertmanager.internal_hosts if it is your own."
        )
    return ""


def _addresses(texts: Collection[str]) -> Iterator[Address]:
    for text in texts:
        yield ipaddress.ip_address(text)


def _literal(host: str) -> Address | None:
    """The address that a host is written as; None for a name, or for a number in disguise."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_public(address: Address) -> bool:
    """Whether it is no address of a machine, its networks or its cloud, however it is wrapped."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(_is_public(wrapped) for wrapped in inner if wrapped):
            return False
        if address.ipv4_mapped:
            return True
        if address.is_site_local:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _METADATA)
    )
