# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A TCP connection, with one deadline for all of it: the name, and every address it has.

Internal to the collection: no promise is made to other users of this file.

getaddrinfo(3) knows no deadline, and a nameserver that never answers holds it for a minute. So a name is looked up in
a thread that is left alone when its time is over. A name that cannot be looked up stands for the addresses it had last:
etcd is not to be lost because DNS is.
"""

from __future__ import annotations

import socket
import threading
import time
import typing as t

from .inbox import Inbox

Addresses = t.Sequence[t.Any]  # as getaddrinfo gives them: family, type, protocol, name, address
Found = t.Union[Addresses, OSError]

_MOST_AVOIDED = 16  # addresses of one name
_MIN_SHARE = 0.2  # seconds one address is given, even where the deadline is all but used up

_last: t.Dict[t.Tuple[str, int], Addresses] = {}  # what this process found for a name, and still uses without DNS
_used: t.Dict[t.Tuple[str, int], t.Any] = {}  # the address of a name that was connected to last
_avoided: t.Dict[t.Tuple[str, int], t.List[t.Any]] = {}  # addresses of a name that failed, the last of them last


def dial(host: str, port: int, seconds: float) -> socket.socket:
    """Connect to the first address of `host` that takes the connection, within `seconds`. Raises OSError.

    Addresses that failed before are tried last: the resolver gives them in the same order every time.
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
    """Try the address that was used last for this name after its others: it took the connection, but is of no use."""
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
    """The addresses of a name, never none. Raises OSError, most often socket.gaierror."""
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


def _look_up(host: str, port: int, seconds: float) -> Found:
    answers: Inbox[Found] = Inbox()
    threading.Thread(target=lambda: answers.put(_ask(host, port)), name=f"look up {host}", daemon=True).start()
    late = socket.gaierror(socket.EAI_AGAIN, f"no answer from the nameserver within {seconds:.1f} s")
    return next(answers.take(seconds), late)


def _ask(host: str, port: int) -> Found:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:  # also one that is no gaierror: a process without a free descriptor
        return exc
    except UnicodeError as exc:
        return socket.gaierror(socket.EAI_NONAME, str(exc))  # a label that is too long, or empty
