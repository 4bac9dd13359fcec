#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance
short_description: Take nodes out of service and put them back
version_added: 0.2.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Sets or clears maintenance for nodes in the registry, with the operator, the reason and the end.
  - A node in maintenance stays registered and in the inventory, where it is in the group C(maintenance) and has the
    variable C(rollcall_maintenance). Load balancers that are configured from the registry send it no new traffic.
  - Maintenance is stored in a persistent key, which survives a reboot of the node and the loss of its lease. The module
    does not connect to the node itself.
  - Readers ignore maintenance whose end has passed by their clock. The node's agent then deletes the key.
  - The module validates all nodes before it changes the first one.
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
      - With O(duration), a second run changes nothing while at least half of the duration remains.
options:
  nodes:
    description:
      - The nodes, each by its name such as V(web1), or by its path in the O(layout) such as V(web/web1).
      - A name selects all nodes with that name that are registered or in maintenance. If there is no such node, the
        module fails, unless O(state=absent).
      - A path can also select a node that is not registered, so that it is in maintenance when it registers. The module
        then warns, since the path may be mistyped.
      - One task with a list is much faster than a loop.
    type: list
    elements: str
    required: true
    aliases:
      - name
  reason:
    description:
      - Why the nodes are in maintenance. By default, nodes that are already in maintenance keep their reason.
    type: str
  by:
    description:
      - The operator who takes the nodes out of service. By default, nodes that are already in maintenance keep their
        operator. For others, it defaults to the user that runs the module, or to the user who called C(sudo).
    type: str
  duration:
    description:
      - Duration of the maintenance from now on, such as V(30m), V(2h) or V(1d12h).
      - If a node is already in maintenance and at least half of this duration remains, its end does not change.
      - Without O(duration) and O(until), nodes that are already in maintenance keep their end, and a new maintenance
        has no end.
    type: str
  until:
    description:
      - End of the maintenance, such as V(2026-11-23T06:30:00+01:00), V(06:30) (the next time it is 06:30) or a Unix
        time. V(never) means no end.
      - Put the value in quotes, since YAML reads V(16:30) as a number.
      - A time without an offset is in the time zone of the host that runs the module.
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

- name: Put a host that is switched off into maintenance
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
  description: The nodes, in the order of O(nodes).
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
      description: Whether its maintenance was changed (in check mode, whether it would be).
      returned: always
      type: bool
    maintenance:
      description:
        - The maintenance of the node (in check mode, as it would be). C(by) is the operator, C(reason) the reason,
          C(since) the start, and C(until) the end, if there is one. Times are in Unix time.
        - V(null) if the node is not in maintenance.
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


def desired(params):
    duration, until = params["duration"], params["until"]
    return maintenance.Desired(
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
            results = maintenance.begin(client, layout, nodes, desired(params), dry_run)
        else:
            results = maintenance.end(client, layout, nodes, dry_run)
    for result in results:
        if result.after and not result.registered:
            module.warn(
                f"{result.who} is not registered. It will be in maintenance when it registers; check the path if this "
                "is unexpected",
                "RC-E-UNKNOWN-NODE",
            )
    found = [
        dict(
            result.who._asdict(),
            changed=result.changed,
            maintenance=result.after,
            registered=result.registered,
        )
        for result in results
    ]
    diffs = [diff(str(result.who), result.before, result.after) for result in results if result.changed]
    finish(module, diffs, changed=any(result.changed for result in results), nodes=found)


if __name__ == "__main__":
    main()
