# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nodes
short_description: Registered nodes
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Reads the nodes that are registered in etcd now, all as of one revision, and gives those that pass every filter.
  - Without filters these are all nodes, also critical, draining and maintained ones. O(serving=true) asks for those
    that can take traffic.
  - A node is a dictionary with the fields that M(rollcall.discovery.node_info) returns.
  - A node whose own data are wrong is rejected with a warning; the others stay.
  - What nodes say is text and never a template.
notes:
  - With C(query()) the result is always a list. Like every lookup, C(lookup()) gives the item itself where there is
    only one.
extends_documentation_fragment:
  - rollcall.discovery.etcd.plugins
  - rollcall.discovery.registry.plugins
  - rollcall.discovery.reading.plugins
  - rollcall.discovery.filters
options:
  _terms:
    description:
      - The nodes that are wanted, by their names. One that is not registered is an error, unlike with O(name).
      - A list among them stands for its items, so that an empty one alone is no node.
      - Without terms all nodes are.
    type: list
    elements: str
  allow_empty:
    description:
      - Whether it is possible that no node at all is registered.
      - By default that is an error, since a wrong O(prefix) looks just like that.
        Filters that no node passes are never an error.
    type: bool
    default: false
seealso:
  - module: rollcall.discovery.node_info
  - plugin: rollcall.discovery.etcd
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Write the addresses of all web servers that can take traffic
  ansible.builtin.copy:
    content: |
      {% for node in query('rollcall.discovery.nodes', service='web', serving=true) %}
      {{ node.name }} {{ node.address }}:{{ node.services.web.port }}
      {% endfor %}
    dest: /etc/web-servers
    mode: "0644"

- name: Show the address of one node, which must be registered
  ansible.builtin.debug:
    msg: "{{ lookup('rollcall.discovery.nodes', 'web1', endpoints='http://etcd1:2379').address }}"

- name: Show the nodes of two roles in one data centre, as a list for any number of them
  vars:
    nodes: "{{ query('rollcall.discovery.nodes', role=['web', 'lb'], dc='eu', layout='{dc}/{role}/{name}') }}"
  ansible.builtin.debug:
    msg: "{{ nodes | map(attribute='name') }}"

- name: Write a list of peers, with the node's own weight for each
  ansible.builtin.copy:
    content: |
      upstream app {
      {% for node in query('rollcall.discovery.nodes', service='app', serving=true, tag='blue') %}
          server {{ node.address }}:{{ node.services.app.port }} weight={{ node.services.app.weight }};
      {% endfor %}
      }
    dest: /etc/nginx/conf.d/app.conf
    mode: "0644"

- name: Show who is drained, and why
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.maintenance }}"
  loop: "{{ query('rollcall.discovery.nodes', maintenance=true) }}"

- name: Ask for nodes that may or may not be there
  ansible.builtin.debug:
    msg: "{{ query('rollcall.discovery.nodes', name=['web1', 'web9'], allow_empty=true) | length }}"
"""

RETURN = r"""
_raw:
  description: The nodes, sorted by name, with the fields of RV(rollcall.discovery.node_info#module:nodes).
  type: list
  elements: dict
  sample:
    - name: web1
      role: web
      roles: [web]
      dc: ""
      address: 10.0.0.5
      health: passing
      services:
        web: {port: 8080, weight: 100, tags: [], meta: {}, health: passing}
      tags: []
      meta: {}
      checks: {}
      maintenance: {}
      lease: 7587886711932583000
"""

import typing as t

from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._registry import node_set, select
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import NODE_NOTE
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin, _terms
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError


class LookupModule(LookupBase):
    """Reads the nodes and gives those that are wanted."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        options = _plugin.lookup_options(self, variables, kwargs)
        names = _terms.texts(terms, "The name of a node")
        read = node_set.read if options["allow_empty"] else node_set.read_some
        with _plugin.ansible_errors(), _plugin.kept_client(options) as client:
            found = node_set.hosts(read(client, _options.layout(options), _options.admission(options)))
            chosen = select.select(found.nodes, **_options.filters(options))
        _plugin.warn(found.notes, "notes about nodes", NODE_NOTE)
        _plugin.warn_of_nodes(found.rejected)
        missing = set(names) - {node.name for node in found.nodes}
        if missing:
            raise PluginError(
                f"No node {min(missing)!r} is registered (revision {found.revision}). Check its name",
                "RC-E-UNKNOWN-NODE",
            )
        return [node.leased() for node in chosen if not terms or node.name in names]
