#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node
short_description: Register nodes in the roll call
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Registers nodes under leases in etcd, one lease for each node, or withdraws them.
  - It is for what runs no agent, such as an appliance, a managed database or a host of somebody else.
  - B(Nobody keeps the lease alive but the next run of the play.) Each run renews it once, which is not a change. A node
    that no run has renewed for O(ttl) seconds is gone, and nobody has looked after its health meanwhile.
  - Hosts that can run an agent are better off with P(rollcall.discovery.register#role), which keeps the lease for as
    long as the host lives.
  - A node that an agent keeps, or that was registered with C(etcdctl), is never changed. That is an error that names
    the holder.
  - All nodes of the list are checked before anything is written for any of them.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.registry
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - That etcd grants no lease as short as O(ttl) shows only as it is asked for one, unless O(ttl) is V(1).
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A second run renews the lease, which is not a change.
options:
  nodes:
    description:
      - The nodes. One task with a list is much faster than a loop of tasks.
    type: list
    elements: dict
    suboptions:
      name: &name
        description:
          - Name of the node, as it appears in the inventory.
        type: str
        required: true
      role: &role
        description:
          - Role under which it answers.
        type: str
        required: true
      dc: &dc
        description:
          - Data centre of the node, where O(layout) has one.
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
          - What the node serves, by name. Each service has a C(port), and may have a C(weight) from 0 to 256
            (100 where it has none), C(weight_warning) (the weight while its health is warning), C(tags) (a list)
            and C(meta) (a mapping).
        type: dict
      tags: &tags
        description:
          - Tags of the node.
        type: list
        elements: str
      meta: &meta
        description:
          - What else is to be known of the node.
        type: dict
  name:
    description:
      - Name of a single node, instead of O(nodes). The options beside it describe that node.
    type: str
  role:
    description:
      - Role under which it answers.
    type: str
  dc: *dc
  address: *address
  health: *health
  services: *services
  tags: *tags
  meta: *meta
  ttl:
    description:
      - Seconds for which the node stays registered without being renewed, required with O(state=present).
      - Choose more than the time between two runs of the play.
      - etcd grants no less than one and a half times its election timeout (V(2) with etcd's defaults).
    type: int
  state:
    description:
      - Whether the nodes must be registered.
      - V(absent) withdraws them. Where others look whether a node has left or is lost, it has left.
    type: str
    choices:
      - present
      - absent
    default: present
seealso:
  - module: rollcall.discovery.node_info
"""

EXAMPLES = r"""
- name: Register a database that somebody else runs, for a day
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

- name: Withdraw a node
  rollcall.discovery.node:
    endpoints: http://etcd1:2379
    name: orders-db
    role: database
    state: absent
"""

RETURN = r"""
nodes:
  description: The nodes, in the order in which they were given.
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
        - ID of the lease that holds it.
        - It is V(null) where it is not registered, and in check mode where it would get a new one.
      returned: always
      type: int
      sample: 7587895427541393521
    ttl:
      description: Seconds for which it stays registered from now on, V(0) where it is not.
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
            outcomes = play_registration.register(client, layout, given, params["ttl"], allowed, dry_run)
        else:
            outcomes = play_registration.withdraw(client, layout, given, allowed, dry_run)
    nodes = [
        {**outcome.who._asdict(), "lease": outcome.lease or None, "ttl": outcome.after["ttl"] if outcome.after else 0}
        for outcome in outcomes
    ]
    diffs = [diff(str(outcome.who), outcome.before, outcome.after) for outcome in outcomes if outcome.changed]
    finish(module, diffs, changed=any(outcome.changed for outcome in outcomes), nodes=nodes)


if __name__ == "__main__":
    main()
