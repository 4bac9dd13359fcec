# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client, errors and warnings of every plugin.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import traceback
import typing as t
from collections.abc import Mapping

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.parsing.vault import EncryptedString, VaultLib
from ansible.plugins import AnsiblePlugin
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings, nearest
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import printable, with_id
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import REJECTED
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Rejected
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _clients
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError, id_of, reason

Json = dict[str, t.Any]

SHARED_OPTIONS = (*_options.CONNECTION, *_options.REGISTRY, *_options.READING)

_NEAR = ("Direct", "var: ", "env: ANSIBLE_ROLLCALL_", "env: ETCDCTL_")

KEY = "RC-E-KEY"  # a key that a lookup cannot return
_TEXTS = ("str", "path", "int", "float")  # types of options whose value is no list or mapping

MAX_WARNINGS = 10  # one broken agent on a thousand nodes must not hide everything else

display = Display()


@contextlib.contextmanager
def ansible_errors() -> t.Iterator[None]:
    """In the block every RollcallError becomes an AnsibleError with its message.

    Without its cause, which Ansible would say all over again: the text of a RollcallError is complete.
    """
    try:
        yield
    except RollcallError as exc:
        raise PluginError.of(exc) from None


def settings(options: t.Mapping[str, t.Any]) -> Settings:
    """The settings that the connection options describe, with a warning if they are not safe. RollcallErrors pass."""
    made = _options.settings(options)
    if made.warning:
        display.warning(with_id(made.warning, "RC-E-INSECURE"))  # Ansible shows the same warning once a run
    return made


def kept_client(options: t.Mapping[str, t.Any]) -> contextlib.AbstractContextManager[Client]:
    """A client for the block, made of the connection options, and kept between calls; RollcallErrors pass."""
    return _clients.client(settings(options))


def option_names(plugin: AnsiblePlugin) -> dict[str, str]:
    """Every name under which an option of the plugin may be given, and the option it stands for."""
    definitions = plugin.option_definitions.items()
    return {name: option for option, about in definitions for name in (option, *about.get("aliases", ()))}


def refuse_unknown(given: t.Iterable[str], known: t.Collection[str]) -> None:
    """Raises AnsibleError where `given` has a name that is not among the `known` ones: Ansible would ignore it."""
    for name in given:
        if name not in known:
            raise PluginError(f"Unknown option {name!r}{suggestion(name, known)}")


def refuse_blank(given: t.Mapping[str, t.Any], names: t.Mapping[str, str]) -> None:
    """Raises AnsibleError for an option of the connection or the registry that a file has with no value: `endpoints:`.

    `names` has the option for each name.
    """
    for name, value in given.items():
        if value is None and names[name] in SHARED_OPTIONS:
            raise PluginError(f"{name}: expected a value, got an empty one. Leave the option out for its default")


def decrypted(value: t.Any) -> t.Any:
    """`value` with the plain text in the place of each `!vault` in it. Raises the vault's AnsibleError."""
    if isinstance(value, EncryptedString):
        return str(value)
    if isinstance(value, Mapping):
        return {name: decrypted(inner) for name, inner in value.items()}
    return list(map(decrypted, value)) if isinstance(value, (list, tuple)) else value


def source_variables(plugin: AnsiblePlugin, templar: t.Any, variables: t.Mapping[str, t.Any]) -> Json:
    """Those of `variables` that options of the plugin are read from, decrypted and templated.

    Ansible itself would take the text of a template for the value.
    """
    sources = (source["name"] for about in plugin.option_definitions.values() for source in about.get("vars", ()))
    return {name: templar.template(decrypted(variables[name])) for name in sources if name in variables}


def refuse_misread(plugin: AnsiblePlugin, given: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> None:
    """Raises AnsibleError for options that Ansible would misread, or print although they may be secret.

    A misspelt truth value is false to Ansible (and certificates are not verified), an empty path is the working
    directory, and its error about an option of a wrong type has the value in it, which may be or contain a secret.
    `given` and `variables` are decrypted.
    """
    if isinstance(given.get("clusters"), dict):
        raise PluginError("clusters must be a list, each with a name: [{name: eu, endpoints: [...]}]")
    for option, about in plugin.option_definitions.items():
        names = (option, *about.get("aliases", ()))
        sources = [source["name"] for source in about.get("vars", ())]
        if about.get("type") == "bool":
            _refuse_no_bool(given, names)
            _refuse_no_bool(variables, sources)
            _refuse_no_bool(os.environ, [source["name"] for source in about.get("env", ())])
        elif about.get("type") in _TEXTS or (about.get("type"), about.get("elements")) == ("list", "str"):
            _refuse_wrong_type(given, names, about["type"])
            _refuse_wrong_type(variables, sources, about["type"])
        if about.get("type") == "path":
            _refuse_no_path(given, names)
            _refuse_no_path(variables, sources)


def _refuse_wrong_type(given: t.Mapping[str, t.Any], names: t.Iterable[str], kind: str) -> None:
    for name in names:
        value = given.get(name)
        items = value if kind == "list" and isinstance(value, (list, tuple)) else [value]
        if not all(item is None or isinstance(item, (str, int, float)) for item in items):
            raise PluginError(f"{name} must be {'a list of texts' if kind == 'list' else 'text'}")


def _refuse_no_path(given: t.Mapping[str, t.Any], names: t.Iterable[str]) -> None:
    for name in names:
        if not str(given.get(name, "-")).strip():
            raise PluginError(f"{name}: expected a path, got an empty one. Leave the option out for its default")


def _refuse_no_bool(given: t.Mapping[str, t.Any], names: t.Iterable[str]) -> None:
    for name in names:
        value = given.get(name)
        try:
            boolean(False if value is None else value)
        except TypeError:
            shown = f", not {value!r}" if isinstance(value, (str, int, float)) else ""
            raise PluginError(f"{name} must be true or false{shown}") from None


def suggestion(word: t.Any, known: t.Iterable[str]) -> str:
    """The end of a message about an unknown word: the known one that was perhaps meant."""
    close = difflib.get_close_matches(str(word), list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def lookup_options(plugin: LookupBase, variables: t.Mapping[str, t.Any] | None, given: Json) -> Json:
    """All options of a lookup: `given` by the caller, else from variables, the environment or ansible.cfg."""
    if "_terms" in given:
        raise PluginError("_terms is no option: give the terms by position, as in query('NAME', term, ...)")
    refuse_unknown(given, option_names(plugin))
    given = decrypted(given)
    values = source_variables(plugin, plugin._templar, variables or {})
    refuse_misread(plugin, given, values)
    plugin.set_options(var_options=values, direct=given)
    return options_of(plugin)


def vault_of(plugin: LookupBase) -> VaultLib | None:
    """Decrypts and encrypts with the vault passwords that were given to Ansible."""
    return getattr(plugin._loader, "_vault", None)


def options_of(plugin: AnsiblePlugin) -> Json:
    """All options of a plugin that has been given them; of those that say where etcd is, only the nearest ones."""
    return nearest(plugin.get_options(), lambda name: _distance(plugin.get_option_and_origin(name)[1]))


def _distance(origin: str) -> int:
    """How far from the task Ansible found an option, by what it calls that place; ansible.cfg, farthest, is a path."""
    return next((place for place, start in enumerate(_NEAR) if origin.startswith(start)), len(_NEAR))


def report(problems: t.Sequence[str], on_error: str) -> None:
    """Say what went wrong: "strict" raises AnsibleError, "warn" warns, "ignore" tells it with -vvv only."""
    if problems and on_error == "strict":
        raise PluginError(
            printable(problems[0]) + (f" ({len(problems) - 1} more errors of this kind)" if problems[1:] else ""),
            KEY,
        )
    if on_error == "warn":
        warn(problems, "keys cannot be had", KEY)
    for problem in problems if on_error == "ignore" else ():
        display.vvv(printable(problem))


def warn_of_nodes(rejected: t.Sequence[Rejected]) -> None:
    """One warning for each rejected node."""
    warn([f"Node rejected: {node}" for node in rejected], "nodes are rejected", REJECTED)


def warn(messages: t.Sequence[str], rest: str, message_id: str) -> None:
    """A warning for each message; above MAX_WARNINGS the rest is counted, and told with -v."""
    for message in messages[:MAX_WARNINGS]:
        display.warning(with_id(printable(message), message_id))
    for message in messages[MAX_WARNINGS:]:
        display.v(printable(message))
    if len(messages) > MAX_WARNINGS:
        display.warning(with_id(f"{len(messages) - MAX_WARNINGS} more {rest} (-v names them)", message_id))


def stop(what: str, exc: Exception) -> t.NoReturn:
    """Say why an inventory cannot be had, and end the program with exit code 1.

    Ansible turns every Exception of an inventory plugin into a warning, lets other plugins try the same file, and exits
    with 0 (InventoryManager.parse_source). It lets SystemExit pass.
    """
    for line in "".join(traceback.format_exception(exc)).rstrip().split("\n"):
        display.vvv(printable(line))
    display.error(with_id(printable(f"{what}: {reason(exc)}"), id_of(exc)))
    raise SystemExit(1) from exc
