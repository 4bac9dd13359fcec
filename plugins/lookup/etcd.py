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
  - However many terms there are, all keys are read as of one revision of etcd, over one connection.
  - Values are text and never templates.
notes:
  - With C(query()) the result is always a list. Like every lookup, C(lookup()) gives the item itself where there is
    only one, so that C(lookup('rollcall.discovery.etcd', key, return='value')) is plain text.
  - A key that is not there is an error, unless O(default) is given. An etcd that cannot be reached, or that refuses, is
    an error, always.
extends_documentation_fragment:
  - rollcall.discovery.etcd.plugins
options:
  _terms:
    description: The keys to read, or with O(prefix=true) what the keys to read start with.
    type: list
    elements: str
    required: true
  prefix:
    description:
      - Read all keys that start with one of the terms, in the order of their names. That there are none is no error.
      - V(/app) is a prefix of C(/apple), too. End it in a slash to stay within a directory.
    type: bool
    default: false
  default:
    description: The value of a key that is not there. With O(prefix=true) it has no meaning.
    type: raw
  return:
    description:
      - V(item) gives a dictionary with C(key) and C(value) for each key.
      - V(value) gives the values only, in the order of the terms.
      - V(dict) gives one dictionary with all values by their keys.
    type: str
    choices: [item, value, dict]
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

- name: Use a default where the key is not there; the connection comes from variables
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
"""

RETURN = r"""
_raw:
  description: Dictionaries with C(key) and C(value), plain text, or one dictionary, as O(return) says.
  type: list
  elements: raw
  sample:
    - key: /app/colour
      value: green
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin


class LookupModule(LookupBase):
    """Reads keys and gives them in the form that is asked for."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[t.Any]:
        options = _plugin.lookup_options(self, variables, kwargs)
        with _plugin.connect(options) as client:
            if options["prefix"]:
                pairs = _under(client, terms)
            else:
                found = {key: kv.value for key, kv in client.get_many(terms).items()}
                pairs = [(key, found.get(key, options["default"])) for key in terms]
                missing = [key for key in terms if key not in found]
                if missing and "default" not in kwargs:
                    raise AnsibleError(
                        f"etcd at {client.endpoint} has no key {missing[0]}. "
                        "Check its name, or give a default for where it is missing"
                    )
        if options["return"] == "dict":
            return [dict(pairs)]
        if options["return"] == "value":
            return [value for _key, value in pairs]
        return [{"key": key, "value": value} for key, value in pairs]


def _under(client: Client, prefixes: t.Sequence[str]) -> list[tuple[str, str]]:
    """All keys under the prefixes, as of one revision, each once."""
    pairs: dict[str, str] = {}
    revision = 0
    for prefix in prefixes:
        found = client.read_all(prefix, revision)
        revision = found.revision
        pairs.update((kv.key, kv.value) for kv in found.kvs)
    return list(pairs.items())
