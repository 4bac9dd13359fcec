# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS SRV records of an etcd cluster.

Internal to the collection: no promise is made to other users of this file.

The standard library can only resolve addresses, and hosts have no other library. So this module queries the resolvers
in /etc/resolv.conf over UDP, and over TCP if the answer was truncated. RFC 1035 section 4, RFC 2782.
"""

from __future__ import annotations

import os
import socket
import struct
import time
import typing as t

from .endpoints import Endpoint, parse_endpoint
from .errors import InvalidSettings, Unreachable
from .text import printable
from .timed_socket import TimedSocket

# The names etcdctl and etcd's own discovery use: https://etcd.io/docs/latest/op-guide/clustering/#dns-discovery
_SERVICES = (("https", "_etcd-client-ssl._tcp"), ("http", "_etcd-client._tcp"))

_INSECURE = "To use it anyway, set discovery_srv_insecure"

_SRV = 33
_INTERNET = 1
_TRUNCATED = 0x0200
_LONGEST_LABEL, _LONGEST_NAME = 63, 255  # bytes: RFC 1035, 2.3.4
_PATIENCE = 3.0  # seconds for one query to one resolver, if that much time is left

Resolver = t.Tuple[str, int]  # address and port
Record = t.Tuple[int, int, str, int]  # priority, weight, target, port


def discover(
    domain: str, seconds: float, resolvers: t.Sequence[Resolver] = (), secured: bool = False, any_host: bool = False
) -> t.Tuple[Endpoint, ...]:
    """The client endpoints that `domain` publishes: those with TLS, otherwise those without. Raises Unreachable.

    The `resolvers` are queried in turn, by default those in /etc/resolv.conf, for at most `seconds` in total. DNS is
    not authenticated. So if `secured`, endpoints without TLS are ignored, since a forged answer could make clients send
    passwords in clear text. Hosts outside the domain are accepted only with `any_host`, since a certificate for such a
    host does not prove that it belongs to the domain.
    """
    resolvers = resolvers or _resolvers("/etc/resolv.conf")
    services = _SERVICES[:1] if secured else _SERVICES
    patience = min(_PATIENCE, seconds / len(resolvers) / len(services))
    failures: t.List[str] = []
    for scheme, service in services:
        name = f"{service}.{domain.strip('.')}"
        for resolver in resolvers:
            try:
                records = _ask(resolver, name, patience)
                strangers = [] if any_host else [record[2] for record in records if not _is_in(record[2], domain)]
                if scheme == "https" and strangers:
                    raise ValueError(f"{printable(strangers[0], 80)} is outside the domain. {_INSECURE}")
                endpoints = tuple(_endpoint(scheme, record) for record in records)
            except (OSError, ValueError, struct.error, IndexError, InvalidSettings) as exc:
                failures.append(f"{name} at {resolver[0]}: {printable(exc, 200)}")
                continue
            if endpoints:
                return tuple(dict.fromkeys(endpoints))
            failures.append(f"{name} at {resolver[0]}: no SRV record")
            break
    hint = f". Records without TLS are ignored if TLS or a password is used. {_INSECURE}" if secured else ""
    raise Unreachable(f"discovery_srv {domain!r} found no etcd endpoint: {'; '.join(failures)}{hint}")


def _is_in(host: str, domain: str) -> bool:
    return f".{host}".lower().endswith(f".{domain.strip('.')}".lower())


def _endpoint(scheme: str, record: Record) -> Endpoint:
    """The endpoint of a record. Raises InvalidSettings if its name is not valid in a URL."""
    return parse_endpoint(f"{scheme}://{record[2]}:{record[3]}")


def look_up_records(name: str, seconds: float, resolvers: t.Sequence[Resolver] = ()) -> t.List[Record]:
    """The SRV records of any name; [] if there are no records. `resolvers` as in `discover`. Raises Unreachable."""
    resolvers = resolvers or _resolvers("/etc/resolv.conf")
    failures: t.List[str] = []
    for resolver in resolvers:
        try:
            return _ask(resolver, name.strip("."), min(_PATIENCE, seconds / len(resolvers)))
        except (OSError, ValueError, struct.error, IndexError) as exc:
            failures.append(f"{resolver[0]}: {exc}")
    raise Unreachable(f"Cannot look up the SRV records of {name!r}: {'; '.join(failures)}")


def _resolvers(resolv_conf: str) -> t.List[Resolver]:
    try:
        with open(resolv_conf, encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError as exc:
        raise Unreachable(f"Cannot look up SRV records without a resolver: {exc}") from exc
    found = [(words[1], 53) for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return found or [("127.0.0.1", 53)]  # resolv.conf(5): the default is the local one


def _ask(resolver: Resolver, name: str, seconds: float) -> t.List[Record]:
    question = b"".join(bytes([len(label)]) + label.encode("idna") for label in name.split("."))
    ident = os.urandom(2)
    query = ident + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + question + b"\0" + struct.pack(">HH", _SRV, _INTERNET)
    deadline = time.monotonic() + seconds
    family = socket.AF_INET6 if ":" in resolver[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        sock.connect(resolver)
        sock.send(query)
        answer = sock.recv(4096)
    if struct.unpack_from(">H", answer, 2)[0] & _TRUNCATED:
        answer = _ask_by_tcp(resolver, query, deadline)
    if answer[:2] != ident:
        raise ValueError("the answer is for another query")
    return _records(answer)


def _ask_by_tcp(resolver: Resolver, query: bytes, deadline: float) -> bytes:
    with socket.create_connection(resolver, deadline - time.monotonic()) as sock:
        timed = TimedSocket(sock, deadline)
        timed.sendall(struct.pack(">H", len(query)) + query)
        with timed.makefile("rb") as file:
            return file.read(struct.unpack(">H", file.read(2))[0])


def _records(answer: bytes) -> t.List[Record]:
    """SRV records, best first: lowest priority, then highest weight. Raises ValueError if the answer is an error."""
    flags, questions, answers = struct.unpack_from(">HHH", answer, 2)
    if flags & 0x000F not in (0, 3):  # 3 (no such name) is a valid answer
        raise ValueError(f"the resolver answered with code {flags & 0x000F}")
    offset = 12
    for _question in range(questions):
        offset = _name(answer, offset)[1] + 4
    records: t.List[Record] = []
    for _answer in range(answers):
        offset = _name(answer, offset)[1]
        kind, _class, _ttl, length = struct.unpack_from(">HHIH", answer, offset)
        offset += 10
        if kind == _SRV:
            priority, weight, port = struct.unpack_from(">HHH", answer, offset)
            records.append((priority, weight, _name(answer, offset + 6)[0], port))
        offset += length
    return sorted(records, key=lambda record: (record[0], -record[1], record[2]))


def _name(message: bytes, offset: int) -> t.Tuple[str, int]:
    """The name at `offset`, and the offset of the next field. Raises ValueError.

    Pointers refer back, but the labels after one can lead to the same pointer again. The limit of a name's length stops
    that.
    """
    labels: t.List[str] = []
    end = length = 0
    while message[offset]:
        size = message[offset]
        if size >= 0xC0:
            end = end or offset + 2
            target = struct.unpack_from(">H", message, offset)[0] & 0x3FFF
            if target >= offset:
                raise ValueError("a malformed name")
            offset, size = target, 0
        else:
            labels.append(message[offset + 1 : offset + 1 + size].decode("ascii"))
            offset += 1 + size
        length += 1 + size
        if size > _LONGEST_LABEL or length > _LONGEST_NAME:
            raise ValueError("a name that is too long")
    return ".".join(labels), end or offset + 1
