#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node
short_description: Register nodes in the registry
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Registers nodes in etcd, each with a lease of its own, or deregisters them.
  - Use it for nodes that cannot run an agent, such as an appliance, a managed database, or a host that another team
    operates.
  - B(Only the next run of the play keeps the lease alive.) Each run renews it once, which is not a change. If no run
    renews it within O(ttl) seconds, the node disappears from the registry. Nothing checks its health between runs.
  - For hosts that can run an agent, use P(rollcall.discovery.register#role) instead, whose agent keeps the lease alive
    while the host is up.
  - The module never changes a node that is registered by an agent or with C(etcdctl). It fails and names the holder.
  - The module validates all nodes before it changes the first one.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.registry
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - Cannot predict whether etcd will reject O(ttl) as too short, except for V(1).
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A second run renews the lease, which is not a change.
options:
  nodes:
    description:
      - The nodes. One task with a list is much faster than a loop.
    type: list
    elements: dict
    suboptions:
      name: &name
        description:
          - Name of the node in the inventory.
        type: str
        required: true
      role: &role
        description:
          - Role of the node.
        type: str
        required: true
      dc: &dc
        description:
          - Data centre of the node, if O(layout) includes one.
        type: str
      address: &address
        description:
          - IP address of the node, required with O(state=present).
        type: str
      health: &health
        description:
          - Health of the node.
        type: str
        choices:
          - passing
          - warning
          - critical
          - drain
        default: passing
      services: &services
        description:
          - Services of the node by name. Each has a C(port) and optionally C(weight) (0 to 256, default 100),
            C(weight_warning) (the weight if its health is warning), C(tags) (a list) and C(meta) (a mapping).
        type: dict
      tags: &tags
        description:
          - Tags of the node.
        type: list
        elements: str
      meta: &meta
        description:
          - Further data about the node, of any structure.
        type: dict
  name:
    description:
      - Name of a single node, as an alternative to O(nodes). The other options describe that node.
    type: str
  role:
    description:
      - Role of the node.
    type: str
  dc: *dc
  address: *address
  health: *health
  services: *services
  tags: *tags
  meta: *meta
  ttl:
    description:
      - Seconds that the node stays registered unless it is renewed, required with O(state=present).
      - Choose more than the time between two runs of the play.
      - The minimum is 1.5 times etcd's election timeout (V(2) with etcd's defaults).
    type: int
  state:
    description:
      - Whether the nodes must be registered.
      - V(absent) deregisters them. The roster then records them as left, not as lost.
    type: str
    choices:
      - present
      - absent
    default: present
seealso:
  - module: rollcall.discovery.node_info
"""

EXAMPLES = r"""
- name: Register a managed database for one day
  rollcall.discovery.node:
    endpoints: http://etcd1:2379
    name: orders-db
    role: database
    address: 10.0.0.40
    services:
      postgresql:
        port: 5432
    ttl: 86400

- name: Register all switches in one task
  rollcall.discovery.node:
    endpoints: http://etcd1:2379
    ttl: 86400
    nodes:
      - name: sw1
        role: switch
        address: 10.0.9.1
        tags: [rack-1]
      - name: sw2
        role: switch
        address: 10.0.9.2
        tags: [rack-2]

- name: Deregister a node
  rollcall.discovery.node:
    endpoints: http://etcd1:2379
    name: orders-db
    role: database
    state: absent
"""

RETURN = r"""
nodes:
  description: The nodes, in the order of O(nodes).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The node's name.
      returned: always
      type: str
      sample: orders-db
    role:
      description: Its role.
      returned: always
      type: str
      sample: database
    dc:
      description: Its data centre, empty in a layout without data centres.
      returned: always
      type: str
      sample: ""
    lease:
      description:
        - ID of its lease.
        - V(null) if the node is not registered, and in check mode if it would get a new lease.
      returned: always
      type: int
      sample: 7587895427541393521
    ttl:
      description: Seconds that it stays registered from now on, V(0) if it is not registered.
      returned: always
      type: int
      sample: 86400
"""

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    finish,
    require_ttl,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry import play_registration

NODE = {
    "name": {"type": "str"},
    "role": {"type": "str"},
    "dc": {"type": "str"},
    "address": {"type": "str"},
    "health": {"type": "str", "choices": ["passing", "warning", "critical", "drain"], "default": "passing"},
    "services": {"type": "dict"},
    "tags": {"type": "list", "elements": "str"},
    "meta": {"type": "dict"},
}
IN_LIST = {**NODE, "name": {"type": "str", "required": True}, "role": {"type": "str", "required": True}}
OPTIONS = {
    **NODE,
    "nodes": {"type": "list", "elements": "dict", "options": IN_LIST},
    "ttl": {"type": "int"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
RULES = {
    "required_one_of": [("nodes", "name")],
    "mutually_exclusive": [("nodes", "name")],
    "required_together": [("name", "role")],
    "required_if": [("state", "present", ["ttl"])],
}


def main():
    module = create_module(OPTIONS, _options.REGISTRY, **RULES)
    require_ttl(module)
    params, dry_run = module.params, module.check_mode
    given = params["nodes"] if params["name"] is None else [params]
    with connect(module) as client:
        layout, allowed = _options.layout(params), _options.allowed_networks(params)
        if params["state"] == "present":
            results = play_registration.register(client, layout, given, params["ttl"], allowed, dry_run)
        else:
            results = play_registration.deregister(client, layout, given, allowed, dry_run)
    nodes = [
        {**result.who._asdict(), "lease": result.lease or None, "ttl": result.after["ttl"] if result.after else 0}
        for result in results
    ]
    diffs = [diff(str(result.who), result.before, result.after) for result in results if result.changed]
    finish(module, diffs, changed=any(result.changed for result in results), nodes=nodes)


if __name__ == "__main__":
    main()
