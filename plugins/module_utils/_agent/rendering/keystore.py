# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys as templates see them: the functions that users of confd know.

Internal to the collection: no promise is made to other users of this file.

Keys and values are data that others wrote, and a line break in them would be a new line of configuration. So names and
values with control characters do not come out of here, unless a template says that it wants them raw.
"""

from __future__ import annotations

import bisect
import fnmatch
import re
import typing as t

from ..._etcd.errors import RollcallError
from ..._etcd.text import shown
from ..._etcd.wire import KeyValue

# Control characters, what Unicode counts as a line break, and bytes that are no UTF-8 (they arrive as surrogates).
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


_AFTER_SLASH = "0"  # the next character


class TemplateFailed(RollcallError):
    """A template cannot be rendered; the text names it and says why."""

    id = "RC-E-TEMPLATE"


class Pair(t.NamedTuple):
    """A key and its value."""

    key: str
    value: str


def is_plain(text: str) -> bool:
    """Whether `text` is on one line, without control characters."""
    return text.isprintable() or not CONTROL.search(
        text
    )  # printable text has no control character, and that test is faster


def one_line(text: str) -> str:
    """`text` with a space for each control character."""
    return CONTROL.sub(" ", text)


class KeyTable:
    """Keys by name, as of one revision: shared by all templates, and never changed."""

    def __init__(self, kvs: t.Mapping[str, KeyValue]) -> None:
        self.kvs = kvs
        self._names: t.List[str] = []

    @property
    def names(self) -> t.List[str]:
        """All names, sorted at the first request."""
        if len(self._names) != len(self.kvs):
            self._names = sorted(self.kvs)
        return self._names


class KeyReads:
    """Which keys were read: `names`, whether they exist or not, and all that start with one of `starts`."""

    def __init__(self) -> None:
        self.names: t.Set[str] = set()
        self.starts: t.Set[str] = set()

    def cover(self, name: str) -> bool:
        """Whether this key was read, or would have been if it existed."""
        return name in self.names or name.startswith(tuple(self.starts))


class KeyStore:
    """The functions of templates over a table. With `prefix` they take and give names without it, as in confd.

    `reads` notes what is read.
    """

    def __init__(self, table: KeyTable, prefix: str = "") -> None:
        self._prefix = prefix.rstrip("/")
        self._table = table
        self.reads = KeyReads()

    def exists(self, key: str) -> bool:
        """Whether there is a key of exactly this name."""
        name = self._prefix + key
        self.reads.names.add(name)
        return name in self._table.kvs

    def getv(self, key: str, default: t.Optional[str] = None, raw: bool = False) -> str:
        """The value of a key, or `default` if it does not exist. Raises TemplateFailed.

        One line break at its end is dropped: `etcdctl put` leaves it when it reads a value from its input.
        """
        name = self._prefix + key
        self.reads.names.add(name)
        kv = self._table.kvs.get(name)
        if kv is not None:
            return self._value(key, kv.value, raw)
        if default is None:
            raise TemplateFailed(
                f"getv: there is no key {shown(self._prefix + key)}; "
                "give a default, or see that it lies under one of the template's keys"
            )
        return default

    def gets(self, pattern: str, raw: bool = False) -> t.List[Pair]:
        """Keys and values of all that match `pattern`, sorted: `*`, `?` and `[a-z]` stand for parts of one level."""
        wanted = [part.replace("[^", "[!") for part in (self._prefix + pattern).split("/")]
        found = []
        for name in self._below(_literal(wanted)):
            parts = name.split("/")
            matches = len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
            if matches and is_plain(name):
                key = name[len(self._prefix) :]
                found.append(Pair(key, self._value(key, self._table.kvs[name].value, raw)))
        return found

    def get(self, key: str, raw: bool = False) -> Pair:
        """Name and value of a key. Raises TemplateFailed if it does not exist."""
        return Pair(key, self.getv(key, None, raw))

    def getvs(self, pattern: str, raw: bool = False) -> t.List[str]:
        """Values of all keys that match `pattern`, as `gets` finds them."""
        return [pair.value for pair in self.gets(pattern, raw)]

    def ls(self, directory: str) -> t.List[str]:
        """Names of what is directly in a directory, keys and directories, sorted; empty if there are no entries."""
        return self._children(directory, leaves=True)

    def lsdir(self, directory: str) -> t.List[str]:
        """Names of the directories that are directly in a directory, sorted; empty if there are no entries."""
        return self._children(directory, leaves=False)

    def _children(self, directory: str, leaves: bool) -> t.List[str]:
        start = f"{self._prefix}{directory.rstrip('/')}/"
        names = set()
        for name in self._below(start):
            child, slash, _rest = name[len(start) :].partition("/")
            if child and (slash or leaves):
                names.add(child)
        return sorted(filter(is_plain, names))

    def _below(self, start: str) -> t.List[str]:
        """All names that start with `start`, which is empty or ends with a slash, in their order."""
        self.reads.starts.add(start)
        names = self._table.names
        after = bisect.bisect_left(names, start[:-1] + _AFTER_SLASH) if start else len(names)
        return names[bisect.bisect_left(names, start) : after]

    @staticmethod
    def _value(key: str, value: str, raw: bool) -> str:
        if raw or value.isprintable():
            return value
        text = re.sub(r"\r?\n\Z", "", value)
        if not is_plain(text):
            raise TemplateFailed(
                f"the value of {shown(key)} has a line break or another control character in it: {shown(text)}; "
                "put it right, or say raw=true where the template can take it"
            )
        return text


def _literal(parts: t.Sequence[str]) -> str:
    """The start of a pattern that stands for itself: its whole parts before the first with a special character."""
    count = next((index for index, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts) - 1)
    return "".join(part + "/" for part in parts[:count])
