#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: List the registered nodes
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Reads all nodes that are currently registered, at one revision of etcd, and returns those that match all filters.
  - Without filters, it returns all nodes, including critical and draining ones and those in maintenance. Use
    O(serving=true) for nodes that can take traffic.
  - Nodes with invalid data, such as an invalid address or a reserved name, are rejected. RV(rejected) lists them with
    the reason. Other nodes are not affected.
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
      - Whether an empty registry is valid.
      - By default the module fails if no node is registered, since a wrong O(prefix) has the same effect.
      - Filters that match no node are never an error.
    type: bool
    default: false
seealso:
  - module: rollcall.discovery.node
"""

EXAMPLES = r"""
- name: List the web servers that can take traffic
  rollcall.discovery.node_info:
    endpoints: http://etcd1:2379
    service: web
    serving: true
  register: web

- name: Show their addresses
  ansible.builtin.debug:
    msg: "{{ web.nodes | map(attribute='address') }}"

- name: Fail if a node was rejected
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
      description: The primary role of the node, the first of RV(nodes[].roles).
      returned: always
      type: str
      sample: web
    roles:
      description: All roles of the node.
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
        - The services of the node by name, each with C(port), C(weight) (for its current health), C(tags), C(meta) and
          C(health).
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
      description: Further data about the node, of any structure.
      returned: always
      type: dict
      sample: {}
    checks:
      description: The checks of the node by name, each with C(status), C(output) and C(since).
      returned: always
      type: dict
      sample: {}
    maintenance:
      description:
        - The maintenance of the node, empty if it is in service. C(by) is the operator, C(reason) the reason. C(since)
          and C(until) are optional, in Unix time.
        - In version 0.1.0, it was V(null) for a node in service.
      returned: always
      type: dict
      sample: {}
    lease:
      description:
        - ID of the node's lease.
        - V(0) for a node without a lease. Such nodes are returned only with O(allow_unleased), and stay registered when
          their host fails.
      returned: always
      type: int
      sample: 7587886711932583000
rejected:
  description: All nodes with invalid data, regardless of the filters.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The path of the node in the registry.
      returned: always
      type: str
      sample: "'web/web9'"
    reason:
      description: Why the node is rejected.
      returned: always
      type: str
      sample: the address '10.0.0.300' is not an IP address
revision:
  description: The revision of etcd at which the nodes were read.
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
