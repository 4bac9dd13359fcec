# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of this host's interfaces, and which of them a route would use: asked of the kernel.

Internal to the collection: no promise is made to other users of this file.

rtnetlink(7) has all addresses, of both families, with what the kernel thinks of them. Nothing else that comes with
Python does: getifaddrs(3) would need ctypes, which the unit's MemoryDenyWriteExecute forbids, and `ip -j addr` a
process for each look.
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
import typing as t

# linux/netlink.h, linux/rtnetlink.h
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_ERROR, _DONE = 2, 3
_REQUEST, _DUMP = 0x001, 0x300
# linux/if_addr.h
_ADDRESS, _LOCAL, _FLAGS = 1, 2, 8
_SECONDARY = 0x01  # of IPv6: a temporary address
_UNUSABLE = 0x08 | 0x20 | 0x40  # found to be a duplicate, deprecated, not yet known to be unique
# linux/sockios.h, linux/if.h
_SIOCGIFFLAGS, _UP = 0x8913, 0x1

_HEADER = struct.Struct("=IHHII")  # of a message: length, type, flags, sequence, port
_MESSAGE = struct.Struct("=BBBBI")  # of an address: family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")  # length with this header, type

_DISCARD = 9  # a port, RFC 863; connecting a UDP socket sends nothing


class InterfaceAddress(t.NamedTuple):
    """An address in use. `secondary` is one that the kernel would not choose by itself, or a temporary one."""

    interface: str
    address: str
    secondary: bool


def addresses() -> t.List[InterfaceAddress]:
    """All usable addresses of interfaces that are up, in the order of the kernel. Raises OSError."""
    found = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        names = {index: name for index, name in socket.if_nameindex() if _is_up(name)}
        request = _MESSAGE.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        kernel.send(_HEADER.pack(_HEADER.size + len(request), _RTM_GETADDR, _REQUEST | _DUMP, 1, 0) + request)
        for message in _messages(kernel):
            family, _length, flags, _scope, index = _MESSAGE.unpack_from(message)
            attributes = dict(_attributes(message[_MESSAGE.size :]))
            flags = struct.unpack("=I", attributes[_FLAGS])[0] if _FLAGS in attributes else flags
            # Where the other end of a link has an address, too, ADDRESS is that one.
            packed = attributes.get(_LOCAL) or attributes.get(_ADDRESS)
            if packed and index in names and family in (socket.AF_INET, socket.AF_INET6) and not flags & _UNUSABLE:
                found.append(
                    InterfaceAddress(names[index], str(ipaddress.ip_address(packed)), bool(flags & _SECONDARY))
                )
    return found


def towards(destination: str) -> str:
    """The address that packets to `destination`, an IP address, would come from. Sends nothing. Raises OSError."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect((destination, _DISCARD))
        return str(sock.getsockname()[0])


def _is_up(name: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack("16s24x", name.encode()))
        except OSError:
            return False  # it is gone
    return bool(struct.unpack_from("16xH", answer)[0] & _UP)


def _messages(kernel: socket.socket) -> t.Iterator[bytes]:
    """The content of every message of the answer."""
    while True:
        data = kernel.recv(65536)
        while data:
            length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise OSError(-struct.unpack_from("=i", data, _HEADER.size)[0], "asking the kernel for addresses")
            if kind == _RTM_NEWADDR:
                yield data[_HEADER.size : length]
            data = data[_aligned(length) :]


def _attributes(data: bytes) -> t.Iterator[t.Tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_aligned(max(length, _ATTRIBUTE.size)) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
