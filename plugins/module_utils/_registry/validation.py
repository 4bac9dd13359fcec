# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validation of the data of nodes: names, addresses, numbers, sizes.

Internal to the collection: no promise is made to other users of this file.

Nodes describe themselves, so all of their data is untrusted. Data that is not allowed here never reaches a variable, a
template or a configuration file. Every function raises InvalidNode.
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

# Ansible's own JSON decoder converts a mapping with a key that begins like this: `__ansible_type` gives an object, such
# as a string that is trusted as a template; `__ansible_unsafe` and `__ansible_vault` give a string.
RESERVED_KEYS = "__ansible"

# A host with such a name would receive all tasks that are delegated to localhost, with the operator's credentials, or
# replace a group that Ansible itself defines.
RESERVED_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "all", "ungrouped"})

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.:-]{0,62}[A-Za-z0-9_])?")


def valid_name(name: str) -> str:
    """The name of a node: a valid host name without a special meaning in Ansible."""
    if not _NAME.fullmatch(name):
        raise InvalidNode(
            f"the name {shown(name)} is not a host name (letters, digits, '.', '_', '-'; at most 253 characters)"
        )
    if name.lower() in RESERVED_NAMES:
        raise InvalidNode(f"the name {name!r} is reserved")
    return name


def valid_word(word: t.Any, what: str) -> str:
    """The name of a role, data centre, service, check or tag. Most of them become keys of a mapping."""
    if isinstance(word, str) and word.startswith(RESERVED_KEYS):
        raise InvalidNode(f"the {what} {shown(word)} is reserved by Ansible")
    if not isinstance(word, str) or not _WORD.fullmatch(word):
        raise InvalidNode(
            f"the {what} {shown(word)} is not a valid name (letters, digits, '_', '.', ':', '-'; at most 64 characters)"
        )
    return word


def valid_number(number: t.Any, low: int, high: int, what: str) -> int:
    """A whole number from `low` to `high`."""
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise InvalidNode(f"the {what} {shown(number)} is not a number from {low} to {high}")
    return number


def parse_networks(networks: t.Iterable[str]) -> t.Tuple[Network, ...]:
    """Parse networks such as `10.0.0.0/8`."""
    try:
        return tuple(ipaddress.ip_network(network) for network in networks)
    except ValueError as exc:
        raise InvalidNode(f"allowed_networks: {exc}") from exc


def valid_address(text: str, allowed: t.Sequence[Network] = ()) -> str:
    """An IP address within one of the `allowed` networks; if `allowed` is empty, any that another host can reach."""
    try:
        address: Address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise InvalidNode(f"the address {shown(text)} is not an IP address") from None
    if "%" in str(address):  # a zone has no meaning on another host, and Python accepts any text as one
        raise InvalidNode(f"the address {shown(text)} has a zone, which is only valid on its own host")
    # The kernel treats ::ffff:127.0.0.1 as 127.0.0.1, so the rules below must do the same.
    address = getattr(address, "ipv4_mapped", None) or address
    if allowed:
        if not any(address in network for network in allowed):
            raise InvalidNode(f"the address {address} is outside the allowed networks (allowed_networks)")
    else:
        for kind in ("loopback", "unspecified", "multicast", "link_local"):
            if getattr(address, f"is_{kind}"):
                raise InvalidNode(
                    f"the address {address} is {kind.replace('_', '-')} (set allowed_networks to accept it)"
                )
    return str(address)


def reserved_key(data: t.Any) -> str:
    """The first key in `data`, at any depth, that is reserved by Ansible; "" if there is no such key.

    A loop, since `data` can be nested more deeply than Python's recursion limit.
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
