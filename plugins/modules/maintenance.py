#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance
short_description: Take nodes out of service, and put them back
version_added: 0.2.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Says in the registry that nodes are in maintenance, by whom, why and until when, or that they no longer are.
  - A node in maintenance stays registered and in the inventory, in the group C(maintenance) and with
    C(rollcall_maintenance). Load balancers that are made from the registry give it no new traffic.
  - What is said outlives the node's lease, its reboot, and its absence. Nothing of the node itself is touched.
  - Maintenance with an end counts as none as soon as that is reached, by the clock of whoever reads it. The node's
    agent then deletes the key.
  - All nodes of the list are checked before anything is written for any of them.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.registry
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - With O(duration), a second run changes nothing as long as at least half of it is still to come.
options:
  nodes:
    description:
      - The nodes, each by its name or by its path as O(layout) has it, such as V(web1) or V(web/web1).
      - A name alone stands for all nodes that are registered, or already in maintenance, under that name. It is an
        error where there is none, but not with O(state=absent).
      - A path may name a node that is not registered, so that it comes back in maintenance. There is a warning,
        for it may be a slip of the pen.
      - One task with a list is much faster than a loop of tasks.
    type: list
    elements: str
    required: true
    aliases:
      - name
  reason:
    description:
      - Why they are in maintenance. By default what is said already is kept.
    type: str
  by:
    description:
      - Who says so. By default what is said already is kept, and otherwise it is the user that the module runs as, or
        who became that user with C(sudo).
    type: str
  duration:
    description:
      - How long it lasts from now on, as V(30m), V(2h) or V(1d12h).
      - Where the nodes are in maintenance already and at least half of this is still to come, the end stays as it is.
      - Without this and O(until), the end that is said already is kept, and a new maintenance has none.
    type: str
  until:
    description:
      - When it ends, as V(2026-11-23T06:30:00+01:00), V(06:30) (the next one) or Unix time; V(never) for no end.
      - Put it in quotes, for YAML takes V(16:30) for a number.
      - Without an offset the time is that of the zone of the host that the module runs on.
    type: str
  state:
    description:
      - Whether the nodes must be in maintenance.
    type: str
    choices:
      - present
      - absent
    default: present
seealso:
  - module: rollcall.discovery.node_info
"""

EXAMPLES = r"""
- name: Take all hosts of this batch out of service
  rollcall.discovery.maintenance:
    endpoints: http://etcd1:2379
    nodes: "{{ ansible_play_batch }}"
    reason: Rolling update
    duration: 2h
  run_once: true
  delegate_to: localhost

- name: A host that is switched off comes back in maintenance
  rollcall.discovery.maintenance:
    endpoints: http://etcd1:2379
    nodes: web/web7
    reason: Waiting for a new disk
    until: "2026-11-30T08:00:00+01:00"

- name: Put two nodes back into service
  rollcall.discovery.maintenance:
    endpoints: http://etcd1:2379
    nodes: [web1, web2]
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
      sample: web1
    role:
      description: Its role.
      returned: always
      type: str
      sample: web
    dc:
      description: Its data centre, empty in a layout without data centres.
      returned: always
      type: str
      sample: ""
    changed:
      description: Whether anything was changed for it (in check mode would be).
      returned: always
      type: bool
    maintenance:
      description:
        - What is said of it now (in check mode would be), C(by) whom, for which C(reason), C(since) when, and C(until)
          when where it has an end. The times are Unix time.
        - It is V(null) where the node is not in maintenance.
      returned: always
      type: dict
      sample:
        by: ann
        reason: Rolling update
        since: 1795415400
        until: 1795422600
    registered:
      description: Whether the node is registered.
      returned: always
      type: bool
      sample: true
"""

import time

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._module import connect, create_module, diff, finish
from ansible_collections.rollcall.discovery.plugins.module_utils._registry import maintenance
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.times import parse_duration, parse_moment

OPTIONS = {
    "nodes": {"type": "list", "elements": "str", "required": True, "aliases": ["name"]},
    "reason": {"type": "str"},
    "by": {"type": "str"},
    "duration": {"type": "str"},
    "until": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def wish(params):
    duration, until = params["duration"], params["until"]
    return maintenance.Wish(
        author=maintenance.author(),
        by=params["by"],
        reason=params["reason"],
        until=until and (maintenance.NEVER if until == "never" else parse_moment(until, time.time())),
        duration=duration and parse_duration(duration),
    )


def main():
    module = create_module(OPTIONS, _options.REGISTRY, mutually_exclusive=[("duration", "until")])
    params, dry_run = module.params, module.check_mode
    present = params["state"] == "present"
    with connect(module) as client:
        layout = _options.layout(params)
        nodes = maintenance.find(client, layout, params["nodes"], must_exist=present)
        if present:
            outcomes = maintenance.begin(client, layout, nodes, wish(params), dry_run)
        else:
            outcomes = maintenance.end(client, layout, nodes, dry_run)
    for outcome in outcomes:
        if outcome.after and not outcome.registered:
            module.warn(f"{outcome.who} is not registered: the maintenance is for when it comes", "RC-E-UNKNOWN-NODE")
    found = [
        dict(
            outcome.who._asdict(),
            changed=outcome.changed,
            maintenance=outcome.after,
            registered=outcome.registered,
        )
        for outcome in outcomes
    ]
    diffs = [diff(str(outcome.who), outcome.before, outcome.after) for outcome in outcomes if outcome.changed]
    finish(module, diffs, changed=any(outcome.changed for outcome in outcomes), nodes=found)


if __name__ == "__main__":
    main()
