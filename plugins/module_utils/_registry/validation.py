# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validation of what nodes say: names, words, addresses, numbers, sizes.

Internal to the collection: no promise is made to other users of this file.

Nodes describe themselves, so all of it is untrusted: what is not allowed here never reaches a variable, a template or
a configuration file. Every function raises InvalidNode.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .._etcd.text import shown
from .errors import InvalidNode

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

MAX_VALUE = 4096  # bytes of one key's value

# A mapping with a key that begins like this is something else to Ansible's own JSON: with `__ansible_type` an object,
# perhaps a text that is trusted as a template; with `__ansible_unsafe` or `__ansible_vault` a text.
RESERVED_KEYS = "__ansible"

# A host of such a name would receive every task that is delegated to localhost, with the operator's credentials, or
# every play on all.
RESERVED_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "all", "ungrouped"})

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.:-]{0,62}[A-Za-z0-9_])?")


def valid_name(name: str) -> str:
    """A node's name: what a host name may hold, and no name that means something else to Ansible."""
    if not _NAME.fullmatch(name):
        raise InvalidNode(f"the name {shown(name)} is not a host name (letters, digits, '.', '_', '-'; at most 253)")
    if name.lower() in RESERVED_NAMES:
        raise InvalidNode(f"the name {name!r} is reserved")
    return name


def valid_word(word: t.Any, what: str) -> str:
    """The name of a role, data centre, service, check or tag. Most of them become keys of a mapping."""
    if isinstance(word, str) and word.startswith(RESERVED_KEYS):
        raise InvalidNode(f"the {what} {shown(word)} is reserved by Ansible")
    if not isinstance(word, str) or not _WORD.fullmatch(word):
        raise InvalidNode(
            f"the {what} {shown(word)} is not a plain word (letters, digits, '_', '.', ':', '-'; at most 64)"
        )
    return word


def valid_number(number: t.Any, low: int, high: int, what: str) -> int:
    """A whole number from `low` to `high`."""
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise InvalidNode(f"the {what} {shown(number)} is not a number from {low} to {high}")
    return number


def parse_networks(networks: t.Iterable[str]) -> t.Tuple[Network, ...]:
    """Read networks as `10.0.0.0/8`."""
    try:
        return tuple(ipaddress.ip_network(network) for network in networks)
    except ValueError as exc:
        raise InvalidNode(f"allowed_networks: {exc}") from exc


def valid_address(text: str, allowed: t.Sequence[Network] = ()) -> str:
    """An IP address that another host can reach, and that lies in one of `allowed` where there are any."""
    try:
        address: Address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise InvalidNode(f"the address {shown(text)} is not an IP address") from None
    if "%" in str(address):  # a zone means nothing on another host, and Python lets any text pass as one
        raise InvalidNode(f"the address {shown(text)} has a zone")
    # ::ffff:127.0.0.1 is 127.0.0.1 to the kernel, so it must be for the rules below.
    address = getattr(address, "ipv4_mapped", None) or address
    if allowed:
        if not any(address in network for network in allowed):
            raise InvalidNode(f"the address {address} is in none of the allowed networks")
    else:
        for kind in ("loopback", "unspecified", "multicast", "link_local"):
            if getattr(address, f"is_{kind}"):
                raise InvalidNode(f"the address {address} is {kind.replace('_', '-')} (allowed_networks can allow it)")
    return str(address)


def reserved_key(data: t.Any) -> str:
    """The first key in `data`, at any depth, that Ansible reserves; "" where there is none.

    A loop, since `data` can be nested more deeply than Python's calls.
    """
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for key in value:
                if isinstance(key, str) and key.startswith(RESERVED_KEYS):
                    return key
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
    return ""


def size(text: str) -> int:
    """The bytes of `text` in etcd."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))  # a byte that is not UTF-8: one
