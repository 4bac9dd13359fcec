# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a JSON configuration: every value checked, every unknown key refused, every message with file and key.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import json
import os
import typing as t

from .._etcd.errors import InvalidSettings, RollcallError
from .._etcd.settings import Settings, refuse_empty
from .._etcd.text import printable
from .._registry.errors import InvalidLayout, RegistryError
from .._registry.layout import DEFAULT_PREFIX, ROLE_NAME, Layout

# The systemd credential that holds the password: LoadCredential=etcd-password:/path in the unit.
PASSWORD_CREDENTIAL = "etcd-password"

_DAY = 86400.0

# Far more than any configuration has; a wrong path can lead to anything, such as /dev/zero.
_LARGEST = 4 << 20  # bytes
_LONGEST_PASSWORD = 65536  # characters of its file
_LONGEST_NUMBER = 40  # digits
# Characters of a message.
_LONGEST_PLACE = 200
_LONGEST_PROBLEM = 500

_T = t.TypeVar("_T")
_Sized = t.TypeVar("_Sized", str, t.List[str])


class ConfigError(RollcallError):
    """The configuration cannot be used; the text names the file and the key."""

    id = "RC-E-CONFIG"


class Section:
    """One JSON object of a configuration. A key that was read is known; `end` refuses all others."""

    def __init__(self, file: str, path: str, data: t.Any) -> None:
        self._file = file
        self._path = path
        self._known: t.List[str] = []
        if not isinstance(data, dict):
            raise self.error("", f"a JSON object is wanted, not {_kind(data)}")
        self._data = data

    def error(self, key: str, problem: str) -> ConfigError:
        """The exception that says what is wrong with `key` of this section."""
        place = printable(".".join(filter(None, (self._path, key))), _LONGEST_PLACE)
        problem = printable(problem, _LONGEST_PROBLEM)
        return ConfigError(f"{self._file}: {place}: {problem}" if place else f"{self._file}: {problem}")

    def get(self, key: str, default: t.Any = None) -> t.Any:
        """The value as it stands; null is as good as a missing key."""
        self._known.append(key)
        value = self._data.get(key)
        return default if value is None else value

    def required(self, key: str) -> t.Any:
        """The value as it stands, which must be there."""
        value = self.get(key)
        if value is None:
            raise self.error(key, "it is missing")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A text without NUL, which no program, file or host takes. Only a missing key has a default."""
        return self._plain(key, self.content(key, default))

    def content(self, key: str, default: str = "") -> str:
        """A text that is sent or looked for; NUL may be in it."""
        value = self._encodable(key, self._typed(key, self.get(key, default), str, "a text"))
        return self._not_empty(key, value)

    def required_text(self, key: str) -> str:
        """A text as `text` gives it, that must be there."""
        if self.required(key) == "":
            raise self.error(key, "expected a value, got an empty one")
        return self.text(key)

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        return self._typed(key, self.get(key, default), bool, "true or false")

    def seconds(self, key: str, default: float, low: float = 0.0, high: float = _DAY) -> float:
        """A number of seconds from `low` to `high`."""
        value = self.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self.error(key, f"{value!r} is not a number of seconds from {low:g} to {high:g}")
        return float(value)

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(key, f"{value!r} is not a whole number from {low} to {high}")
        return value

    def texts(self, key: str) -> t.List[str]:
        """A list of texts, each without NUL; empty if the key is missing."""
        values = self._typed(key, self.get(key, []), list, "a list")
        for value in values:
            self._plain(key, self._encodable(key, self._typed(key, value, str, "a list of texts")))
        return values

    def some_texts(self, key: str) -> t.List[str]:
        """As `texts`, for a list that means something else if it is missing: it must not be empty."""
        return self._not_empty(key, self.texts(key))

    def mapping(self, key: str) -> t.Dict[str, t.Any]:
        """A JSON object of the user's own, with any keys; empty if the key is absent."""
        return self._typed(key, self.get(key, {}), dict, "a JSON object")

    def section(self, key: str) -> Section:
        """A JSON object; empty if the key is absent."""
        return Section(self._file, ".".join(filter(None, (self._path, key))), self.get(key, {}))

    def sections(self, key: str) -> t.Dict[str, Section]:
        """A JSON object of JSON objects, by their names."""
        group = self.section(key)
        return {name: group.section(name) for name in group._data}

    def sections_list(self, key: str) -> t.List[Section]:
        """A list of JSON objects."""
        values = self._typed(key, self.get(key, []), list, "a list")
        place = ".".join(filter(None, (self._path, key)))
        return [Section(self._file, f"{place}[{index}]", value) for index, value in enumerate(values)]

    def end(self) -> None:
        """All known keys have been read: refuse the others."""
        unknown = sorted(self._data.keys() - set(self._known))
        if unknown:
            raise self.error(unknown[0], f"unknown key; known are: {', '.join(sorted(set(self._known)))}")

    def _typed(self, key: str, value: t.Any, kind: t.Type[_T], words: str) -> _T:
        if not isinstance(value, kind):
            raise self.error(key, f"{words} is wanted, not {_kind(value)}")
        return value

    def _not_empty(self, key: str, value: _Sized) -> _Sized:
        """An expression over an empty group gives nothing, which must not stand for the default."""
        if not value and self.get(key) is not None:
            raise self.error(key, "expected a value, got an empty one. Leave the key out for its default")
        return value

    def _plain(self, key: str, text: str) -> str:
        if "\0" in text:
            raise self.error(key, "it has a NUL in it, which no program, file or host takes")
        return text

    def _encodable(self, key: str, text: str) -> str:
        """JSON can spell halves of characters, which nothing outside of Python takes."""
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise self.error(key, "it has half of a surrogate pair in it, which is no character") from None
        return text


def read(file: str) -> Section:
    """The outermost section of a configuration file. Raises ConfigError."""
    try:
        with open(file, "rb") as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ConfigError(f"{file}: it has more than {_LARGEST >> 20} MiB: this is no configuration")
        data = json.loads(content.decode("utf-8"), object_pairs_hook=_object, parse_int=_integer)
    except OSError as exc:
        raise ConfigError(f"Cannot read the configuration {file}: {exc.strerror}") from exc
    except _Unwanted as exc:
        raise ConfigError(f"{file}: {exc}") from exc
    except ValueError as exc:
        raise ConfigError(f"{file}: this is not JSON: {exc}") from exc
    except RecursionError as exc:
        raise ConfigError(f"{file}: it is nested too deeply") from exc
    return Section(file, "", data)


class _Unwanted(ValueError):
    """JSON that no configuration needs."""


def _integer(digits: str) -> int:
    """A whole number. One of thousands of digits would take Python minutes to read."""
    if len(digits) > _LONGEST_NUMBER:
        raise _Unwanted(f"the number {digits[:_LONGEST_NUMBER]}... has {len(digits)} digits")
    return int(digits)


def _object(pairs: t.List[t.Tuple[str, t.Any]]) -> t.Dict[str, t.Any]:
    """A JSON object. Of a key that is there twice one value would be dropped without a word."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Unwanted(f"the key {printable(twice, _LONGEST_PLACE)} is there twice in one object")
    return made


def etcd_settings(root: Section) -> Settings:
    """The connection from the section `etcd`. Raises ConfigError.

    The password comes from the systemd credential `etcd-password`, else from the file that `password_file` names,
    else from `password`.
    """
    options = etcd_options(root)
    try:
        return Settings.from_mapping(options)
    except InvalidSettings as exc:
        raise root.error("etcd", str(exc)) from exc


def etcd_options(root: Section, with_password: bool = True) -> t.Dict[str, t.Any]:
    """The section `etcd` as Settings.from_mapping takes it. Raises ConfigError.

    Without `with_password` the password is omitted, since not every user may read it.
    """
    etcd = root.section("etcd")
    texts = ("host", "discovery_srv", "user", "ca_cert", "client_cert", "client_key", "tls_server_name")
    options: t.Dict[str, t.Any] = {
        key: etcd.text(key) for key in (*texts, "password", "password_file") if etcd.get(key) is not None
    }
    if etcd.get("port") is not None:
        options["port"] = etcd.whole("port", 0, 1, 65535)
    if etcd.get("endpoints") is not None:
        options["endpoints"] = etcd.texts("endpoints")
    options["timeout"] = etcd.get("timeout")
    options["validate_certs"] = etcd.flag("validate_certs", True)
    options["discovery_srv_insecure"] = etcd.flag("discovery_srv_insecure", False)
    etcd.end()
    try:
        refuse_empty(options)
    except InvalidSettings as exc:
        raise root.error("etcd", str(exc)) from exc
    plain, file = options.pop("password", ""), options.pop("password_file", "")
    if with_password:
        options["password"] = _password(etcd, plain, file) or None
    return options


def registry_layout(root: Section) -> Layout:
    """The layout from `prefix`, `layout` and `state_prefix`. Raises ConfigError."""
    try:
        return Layout(root.text("prefix", DEFAULT_PREFIX), root.text("layout", ROLE_NAME), root.text("state_prefix"))
    except InvalidLayout as exc:
        raise root.error("", str(exc)) from exc


def checked(root: Section, key: str, make: t.Callable[[], _T]) -> _T:
    """The result of `make`. A RegistryError becomes a ConfigError that names `key`."""
    try:
        return make()
    except RegistryError as exc:
        raise root.error(key, str(exc)) from exc
    except RecursionError as exc:
        raise root.error(key, "it is nested too deeply") from exc


def _password(etcd: Section, plain: str, file: str) -> str:
    credential = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", ""), PASSWORD_CREDENTIAL)
    if "CREDENTIALS_DIRECTORY" in os.environ and os.path.exists(credential):
        file = credential
    if not file:
        return plain
    try:
        with open(file, encoding="utf-8") as stream:
            return stream.read(_LONGEST_PASSWORD).rstrip("\r\n")
    except (OSError, ValueError) as exc:
        raise etcd.error("password_file", f"cannot read {file}: {exc}") from exc


def _kind(value: t.Any) -> str:
    """The type of a JSON value in the words of JSON; never the value, which may be a secret."""
    if value is None:
        return "null"
    words = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return words[type(value)]
