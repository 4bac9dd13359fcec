# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: etcd
short_description: Values of keys in etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Reads keys, or all keys under prefixes, over etcd's JSON gateway. Nothing but Python is needed.
  - However many terms there are, all keys are read as of one revision of etcd, over one connection, and up to 128 of
    them in one request. The lookups of a template share the connection, and the login where there is one.
  - Values are text, or with O(decode) data, and never templates.
notes:
  - With C(query()) the result is always a list. Like every lookup, C(lookup()) gives the item itself where there is
    only one, so that C(lookup('rollcall.discovery.etcd', key, return='value')) is plain text. It joins several texts
    with commas.
  - A key that is not there is an error, unless O(default) is given. An etcd that cannot be reached, or that refuses, is
    an error, unless O(on_error) says otherwise.
  - Bytes of a value that are not UTF-8 pass through M(ansible.builtin.copy) and M(ansible.builtin.template) unchanged,
    and are shown as question marks.
extends_documentation_fragment:
  - rollcall.discovery.etcd.plugins
options:
  _terms:
    description:
      - The keys to read, or with O(prefix=true) what the keys to read start with.
      - A list among them stands for its items.
    type: list
    elements: str
    required: true
  prefix:
    description:
      - Read all keys that start with one of the terms, in the order of their names. A prefix without keys is no error.
      - V(/app) is a prefix of C(/apple), too. End it in a slash to stay within a directory. An empty one means all of
        etcd.
    type: bool
    default: false
  default:
    description:
      - The value of a key that is not there, and where O(on_error) lets it pass, of one whose value cannot be had.
      - It is taken as it is, without O(decode).
    type: raw
  decode:
    description:
      - Whether values are V(text), or data in V(json) or in V(yaml).
      - A value that cannot be decoded is an error. So is one that is not UTF-8, or has more than 100 lists and mappings
        within each other, and YAML with tags or aliases, since anybody may have written it.
    type: str
    choices: [text, json, yaml]
    default: text
    version_added: 0.2.0
  on_error:
    description:
      - What happens where keys cannot be had, since etcd cannot be reached or refuses, or a key is not there and has no
        O(default), or its value cannot be decoded. A key that may not be read takes no other one with it.
      - With V(strict) it is an error. With V(warn) it is a warning, and with V(ignore) it is logged with C(-vvv) only.
        The keys then have the value O(default), or are omitted without it.
      - Connection options that cannot work are always an error.
      - Ansible's own C(errors='ignore'), which every lookup knows, makes the whole result C(None), or with C(query())
        an empty list.
    type: str
    choices: [strict, warn, ignore]
    default: strict
    version_added: 0.2.0
  revision:
    description:
      - Read the keys as they were at this revision of etcd, by default (V(0)) as they are now.
      - It is an error if etcd has compacted it.
    type: int
    default: 0
    version_added: 0.2.0
  return:
    description:
      - V(item) gives a dictionary with C(key) and C(value) for each key.
      - V(value) gives the values only, in the order of the terms.
      - V(dict) gives one dictionary with all values by their keys.
      - V(kv) gives for each key all that etcd knows of it, as RV(rollcall.discovery.etcd_kv_info#module:kvs) has it.
        Of a key that has the value O(default) the numbers are V(0). It was added in version 0.2.0.
    type: str
    choices: [item, value, dict, kv]
    default: item
seealso:
  - module: rollcall.discovery.etcd_kv_info
  - plugin: rollcall.discovery.nodes
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Show the value of a key
  ansible.builtin.debug:
    msg: "{{ lookup('rollcall.discovery.etcd', '/app/colour', return='value', endpoints='http://etcd1:2379') }}"

- name: Use a default if the key does not exist; the connection comes from variables
  vars:
    rollcall_etcd_endpoints: [http://etcd1:2379, http://etcd2:2379, http://etcd3:2379]
    colour: "{{ lookup('rollcall.discovery.etcd', '/app/colour', return='value', default='blue') }}"
  ansible.builtin.debug:
    var: colour

- name: Show all keys of the application
  ansible.builtin.debug:
    msg: "{{ item.key }} is {{ item.value }}"
  loop: "{{ query('rollcall.discovery.etcd', '/app/', prefix=true) }}"

- name: Read several keys at once, by name
  vars:
    app: "{{ lookup('rollcall.discovery.etcd', '/app/colour', '/app/size', return='dict') }}"
  ansible.builtin.debug:
    msg: "{{ app['/app/colour'] }} {{ app['/app/size'] }}"

- name: Use a value that is JSON
  vars:
    limits: "{{ lookup('rollcall.discovery.etcd', '/app/limits', return='value', decode='json') }}"
  ansible.builtin.debug:
    msg: "{{ limits.connections }}"

- name: Go on with a default, and a warning, also while etcd is away
  vars:
    colour: >-
      {{ lookup('rollcall.discovery.etcd', '/app/colour', return='value', default='blue', on_error='warn') }}
  ansible.builtin.debug:
    var: colour

- name: Change a key, unless another client has changed it since it was read
  vars:
    limits: "{{ lookup('rollcall.discovery.etcd', '/app/limits', return='kv', decode='json', default={}) }}"
  rollcall.discovery.etcd_kv:
    key: /app/limits
    value: "{{ limits.value | combine({'seconds': 60}) }}"
    mod_revision: "{{ limits.mod_revision }}"

- name: Show what was there before the deployment
  ansible.builtin.debug:
    msg: "{{ query('rollcall.discovery.etcd', '/app/', prefix=true, revision=deployed.revision - 1) }}"
"""

RETURN = r"""
_raw:
  description: Dictionaries with C(key) and C(value), values, one dictionary, or all about each key, as O(return) says.
  type: list
  elements: raw
  sample:
    - key: /app/colour
      value: green
"""

import typing as t

from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import EtcdError, InvalidSettings
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import printable
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import reserved_key
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _keys, _plugin, _terms
from ansible_collections.rollcall.discovery.plugins.plugin_utils._decode import decode
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError

FORMS: dict[str, t.Callable[[list[KeyValue]], list[t.Any]]] = {
    "item": lambda kvs: [{"key": kv.key, "value": kv.value} for kv in kvs],
    "value": lambda kvs: [kv.value for kv in kvs],
    "dict": lambda kvs: [{kv.key: kv.value for kv in kvs}],
    "kv": lambda kvs: [kv._asdict() for kv in kvs],
}


class LookupModule(LookupBase):
    """Reads keys and gives them in the requested form."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[t.Any]:
        options = _plugin.lookup_options(self, variables, kwargs)
        _terms.require(terms, "A key of etcd")
        names, problems = _terms.texts(terms, "A key of etcd", options["prefix"]), []
        if options["revision"] < 0:
            raise PluginError(f"revision is {options['revision']}: it must be one of etcd's, or 0 for now")
        found: dict[str, KeyValue] = {}
        try:
            with _plugin.kept_client(options) as client:
                found, denied = _keys.read(client, names, options["prefix"], options["revision"])
                problems.extend(denied.values())
                missing = [key for key in names if key not in found and key not in denied]
                if missing and not options["prefix"] and "default" not in kwargs:
                    problems.append(_missing(client, missing))
        except InvalidSettings as exc:
            raise PluginError.of(exc) from None
        except EtcdError as exc:
            problems.append(str(exc))
        asked = list(found) if options["prefix"] else names
        found = _decoded(found, options["decode"], problems)
        _plugin.report(problems, options["on_error"])
        if "default" in kwargs:
            found.update((key, KeyValue(key, options["default"], 0, 0, 0, 0)) for key in asked if key not in found)
        result = FORMS[options["return"]]([found[key] for key in asked if key in found])
        reserved = reserved_key(result)  # with return=dict, a key of etcd is a key here
        if reserved:
            raise PluginError(
                f"The key {printable(reserved)} of etcd cannot be one of a dictionary: Ansible reserves its name",
                "RC-E-KEY",
            )
        return result


def _missing(client: Client, keys: list[str]) -> str:
    others = f" (and {len(keys) - 1} more of those asked for)" if keys[1:] else ""
    return (
        f"etcd at {client.endpoint} has no key {keys[0]}{others}. "
        "Check its name, or give a default for where it is missing"
    )


def _decoded(kvs: dict[str, KeyValue], form: str, problems: list[str]) -> dict[str, KeyValue]:
    """With values as data; those that cannot be decoded are omitted, and named in `problems`."""
    found = {}
    for kv in kvs.values():
        try:
            found[kv.key] = kv._replace(value=decode(kv.value, form))
        except ValueError as exc:
            problems.append(f"The value of {kv.key} in etcd cannot be decoded as {form}: {exc}")
    return found
