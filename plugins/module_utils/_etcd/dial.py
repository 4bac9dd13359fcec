# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens TCP connections, with one deadline for the name lookup and all addresses of the name.

Internal to the collection: no promise is made to other users of this file.

getaddrinfo(3) has no timeout, and a name server that never answers blocks it for a minute. So each lookup runs in a
thread, which is abandoned when the time is over. If a name cannot be looked up, its last known addresses are used: a
failure of DNS must not disconnect clients from etcd.
"""

from __future__ import annotations

import socket
import threading
import time
import typing as t

from .inbox import Inbox

Addresses = t.Sequence[t.Any]  # results of getaddrinfo: family, type, protocol, name, address
LookupResult = t.Union[Addresses, OSError]

_MOST_AVOIDED = 16  # addresses of one name
_MIN_SHARE = 0.2  # seconds for one address, even if almost no time is left

_last: t.Dict[t.Tuple[str, int], Addresses] = {}  # the last known addresses of a name, for failures of DNS
_used: t.Dict[t.Tuple[str, int], t.Any] = {}  # the address of a name that was tried last
_avoided: t.Dict[t.Tuple[str, int], t.List[t.Any]] = {}  # addresses of a name that failed, the most recent one last


def dial(host: str, port: int, seconds: float) -> socket.socket:
    """Connect to the first address of `host` that accepts the connection, within `seconds`. Raises OSError.

    Addresses that failed before are tried last, since the resolver always returns them in the same order.
    """
    deadline = time.monotonic() + seconds
    avoided = list(_avoided.get((host, port), ()))
    waiting = list(_addresses(host, port, seconds))
    waiting.sort(key=lambda entry: avoided.index(entry[4]) if entry[4] in avoided else -1)
    while True:
        family, kind, protocol, _name, address = waiting.pop(0)
        _used[host, port] = address
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(max((deadline - time.monotonic()) / (len(waiting) + 1), _MIN_SHARE))
        try:
            sock.connect(address)
            return sock
        except OSError:
            sock.close()
            avoid(host, port)
            if not waiting:
                raise


def avoid(host: str, port: int) -> None:
    """Try the last used address of this name after the others from now on: it accepts connections, but is unusable."""
    address = _used.get((host, port))
    if address is not None:
        others = [other for other in _avoided.get((host, port), ()) if other != address]
        _avoided[host, port] = [*others, address][-_MOST_AVOIDED:]


def look_up(host: str, seconds: float) -> t.List[str]:
    """The IP addresses of a name, in the order of the resolver. Raises socket.gaierror, within `seconds`."""
    found = _look_up(host, 0, seconds)
    if isinstance(found, OSError):
        raise found
    return list(dict.fromkeys(entry[4][0] for entry in found))


def _addresses(host: str, port: int, seconds: float) -> Addresses:
    """The addresses of a name, at least one. Raises OSError, usually socket.gaierror."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        pass  # a name
    last = _last.get((host, port))
    found = _look_up(host, port, seconds / 2 if last else seconds)
    if isinstance(found, OSError):
        if last and found.errno == socket.EAI_AGAIN:
            return last
        raise found
    _last[host, port] = found
    return found


def _look_up(host: str, port: int, seconds: float) -> LookupResult:
    answers: Inbox[LookupResult] = Inbox()
    threading.Thread(target=lambda: answers.put(_ask(host, port)), name=f"look up {host}", daemon=True).start()
    late = socket.gaierror(socket.EAI_AGAIN, f"no answer from the name server within {seconds:.1f} s")
    return next(answers.take(seconds), late)


def _ask(host: str, port: int) -> LookupResult:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:  # not only gaierror, such as if the process has no free file descriptor
        return exc
    except UnicodeError as exc:
        return socket.gaierror(socket.EAI_NONAME, str(exc))  # a label is too long or empty
