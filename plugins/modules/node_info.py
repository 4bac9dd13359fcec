#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: Tell which nodes answer the roll call
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Reads the nodes that are registered in etcd now, all as of one revision, and returns those that pass every filter.
  - Without filters these are all nodes, also critical, draining and maintained ones. O(serving=true) asks for those
    that can take traffic.
  - A node that says something impossible of itself (an address that is none, a name that is reserved) is left out and
    told of in RV(rejected); the others stay.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.registry
  - rollcall.discovery.reading
  - rollcall.discovery.filters
  - rollcall.discovery.attributes
  - rollcall.discovery.attributes.info
options:
  allow_empty:
    description:
      - Whether it is possible that no node at all is registered.
      - By default that is an error, since a wrong O(prefix) looks just like that.
        Filters that no node passes are never an error.
    type: bool
    default: false
seealso:
  - module: rollcall.discovery.node
"""

EXAMPLES = r"""
- name: Ask for the web servers that can take traffic
  rollcall.discovery.node_info:
    endpoints: http://etcd1:2379
    service: web
    serving: true
  register: web

- name: Show their addresses
  ansible.builtin.debug:
    msg: "{{ web.nodes | map(attribute='address') }}"

- name: Stop where a node is not as it must be
  ansible.builtin.assert:
    that: web.rejected | length == 0
"""

RETURN = r"""
nodes:
  description: The nodes, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The node's name.
      returned: always
      type: str
      sample: web1
    role:
      description: The role under which the node answers, the first of RV(nodes[].roles).
      returned: always
      type: str
      sample: web
    roles:
      description: All roles under which the node answers.
      returned: always
      type: list
      elements: str
      sample:
        - web
    dc:
      description: The node's data centre, empty in a layout without data centres.
      returned: always
      type: str
      sample: ""
    address:
      description: The node's IP address.
      returned: always
      type: str
      sample: 10.0.0.5
    health:
      description: V(passing), V(warning), V(critical) or V(drain).
      returned: always
      type: str
      sample: passing
    services:
      description:
        - What the node serves. Each has C(port), C(weight) (as it is in this health), C(tags), C(meta) and C(health)
          under its name.
      returned: always
      type: dict
      sample:
        web:
          port: 8080
          weight: 100
          tags: []
          meta: {}
          health: passing
    tags:
      description: The node's tags.
      returned: always
      type: list
      elements: str
      sample: []
    meta:
      description: What the node says of itself freely.
      returned: always
      type: dict
      sample: {}
    checks:
      description: The state of the node's checks. Each has C(status), C(output) and C(since) under its name.
      returned: always
      type: dict
      sample: {}
    maintenance:
      description:
        - Empty unless the node is in maintenance. Otherwise it has C(by) and C(reason), and perhaps C(since) and
          C(until) in seconds since 1970.
        - Up to version 0.1.0 it was V(null) for a node that is not in maintenance.
      returned: always
      type: dict
      sample: {}
    lease:
      description:
        - The lease that holds the node.
        - V(0) for a node without one, which is there only with O(allow_unleased), and stays when its host dies.
      returned: always
      type: int
      sample: 7587886711932583000
rejected:
  description: Nodes that are left out since what they say is impossible, whatever the filters.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where the node is registered.
      returned: always
      type: str
      sample: "'web/web9'"
    reason:
      description: Why it is left out.
      returned: always
      type: str
      sample: the address '10.0.0.300' is not an IP address
revision:
  description: The revision of etcd as of which the nodes were read.
  returned: success
  type: int
  sample: 42
"""

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._module import answer, connect, create_module
from ansible_collections.rollcall.discovery.plugins.module_utils._registry import node_set, select
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import NODE_NOTE

MAX_WARNINGS = 10

OPTIONS = {"allow_empty": {"type": "bool", "default": False}}


def main():
    module = create_module(OPTIONS, _options.REGISTRY, _options.READING, _options.FILTERS)
    read = node_set.read if module.params["allow_empty"] else node_set.read_some
    with connect(module) as client:
        found = node_set.hosts(read(client, _options.layout(module.params), _options.admission(module.params)))
        chosen = select.select(found.nodes, **_options.filters(module.params))
    for note in found.notes[:MAX_WARNINGS]:
        module.warn(note, NODE_NOTE)
    rejected = [reject._asdict() for reject in found.rejected]
    answer(module, nodes=[node.leased() for node in chosen], rejected=rejected, revision=found.revision)


if __name__ == "__main__":
    main()
