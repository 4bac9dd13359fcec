#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_lease
short_description: Grant, renew and revoke leases in etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - A lease holds keys, and etcd deletes them when it ends.
  - B(A lease ends by itself unless somebody keeps it alive.) This module renews a lease once each time it runs, and no
    more. Where nothing else renews it within O(ttl) seconds, the lease and all its keys are gone.
  - Let P(rollcall.discovery.register#role) or C(etcdctl lease keep-alive) be the keeper of what must stay, or run the
    play more often than every O(ttl) seconds.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - A second run renews the lease, which is not a change.
      - Without O(lease) every run grants another lease.
options:
  lease:
    description:
      - ID of the lease, a positive number of your choice, or one that this module returned.
      - It is decimal here, while C(etcdctl) shows it as hexadecimal. RV(hex) has that form, and
        C({{ '694d71a5' | int(base=16) }}) reads it.
      - Required unless O(state=present); without it etcd chooses one.
    type: int
  ttl:
    description:
      - Time to live in seconds, required with O(state=present).
      - etcd raises it to one and a half times its election timeout (V(2) with etcd's defaults).
      - A lease that is there keeps the time to live it was granted; etcd cannot change that.
    type: int
  keys:
    description:
      - Keys that the lease must hold, at most 128, with O(state=present). They must be there, and keep their values.
      - A key that another lease holds changes over to this one. What else the lease holds stays with it.
      - M(rollcall.discovery.etcd_kv) writes a key with its value and its lease at once.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  state:
    description:
      - With V(present), grant the lease, or renew it once where it is there.
      - With V(renewed), renew it once; it is an error when it has ended, for its keys are gone with it.
      - With V(absent), revoke it, which deletes its keys.
    type: str
    choices:
      - present
      - renewed
      - absent
    default: present
seealso:
  - module: rollcall.discovery.etcd_kv
  - module: rollcall.discovery.node
"""

EXAMPLES = r"""
- name: Grant a lease for as long as the deployment takes
  rollcall.discovery.etcd_lease:
    endpoints: http://etcd1:2379
    ttl: 600
  register: deployment

- name: Tell everybody of the deployment
  rollcall.discovery.etcd_kv:
    endpoints: http://etcd1:2379
    key: /deployments/app
    value: running
    lease: "{{ deployment.lease }}"

- name: Win more time, or fail where the deployment took longer than that
  rollcall.discovery.etcd_lease:
    endpoints: http://etcd1:2379
    lease: "{{ deployment.lease }}"
    state: renewed

- name: Revoke the lease, which deletes the key
  rollcall.discovery.etcd_lease:
    endpoints: http://etcd1:2379
    lease: "{{ deployment.lease }}"
    state: absent

- name: Grant a lease, or renew it when the play runs again
  rollcall.discovery.etcd_lease:
    endpoints: http://etcd1:2379
    lease: 4711
    ttl: 86400

- name: Let keys that are there end with a lease
  rollcall.discovery.etcd_lease:
    endpoints: http://etcd1:2379
    lease: 4711
    ttl: 86400
    keys:
      - /app/colour
      - /app/size
"""

RETURN = r"""
lease:
  description: ID of the lease, V(null) in check mode where etcd would choose it.
  returned: success
  type: int
  sample: 7587895427541393521
hex:
  description: The same as C(etcdctl) shows it.
  returned: success
  type: str
  sample: 694d9c3f8e1a2c71
ttl:
  description: Seconds that the lease has left, V(0) where it is not there.
  returned: success
  type: int
  sample: 600
granted_ttl:
  description: Seconds that the lease was granted, V(0) where it is not there.
  returned: success
  type: int
  sample: 600
held:
  description: The keys that the lease holds; with O(state=absent) those that were deleted with it.
  returned: success
  type: list
  elements: str
  sample:
    - /deployments/app
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    finish,
    require_positive,
)

OPTIONS = {
    "lease": {"type": "int"},
    "ttl": {"type": "int"},
    "state": {"type": "str", "choices": ["present", "renewed", "absent"], "default": "present"},
    "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
}


def apply(client, module):
    """Do what the options say. Returns whether that is a change, the lease, its seconds left and granted, its keys."""
    lease, ttl, state = (module.params[name] for name in ("lease", "ttl", "state"))
    now = client.lease_status(lease, keys=True) if lease else None
    there = now is not None and now.ttl > 0
    if state == "absent":
        if there and not module.check_mode:
            client.lease_revoke(lease)
        return there, lease, 0, 0, now.keys if there else []
    if state == "renewed" and not there:
        module.fail_json(
            msg=f"Lease {lease} ({lease:x}) cannot be renewed: it has ended, and its keys are gone with it"
        )
    loose = [kv for kv in wanted(client, module) if not there or kv.lease != lease]
    left = granted = ttl
    if there:
        left, granted = now.ttl if module.check_mode else client.lease_keepalive(lease), now.granted
    elif not module.check_mode:
        lease, left = client.lease_grant(ttl, lease or 0)
        granted = left
    if loose and not module.check_mode:
        attach(client, module, loose, lease)
    held = sorted({*(now.keys if there else ()), *(kv.key for kv in loose)})
    return bool(loose) or not there, lease, left, granted, held


def wanted(client, module):
    """The keys that the lease must hold, as they are now: before anything is granted."""
    keys = module.params["keys"]
    found = client.get_many(keys)
    for key in keys:
        if key not in found:
            module.fail_json(msg=f"{key} is not there, so no lease can hold it: etcd_kv writes it with its lease")
    return list(found.values())


def attach(client, module, kvs, lease):
    guards = [wire.unchanged(kv.key, kv.mod_revision) for kv in kvs]
    puts = [wire.put(kv.key, kv.value, lease) for kv in kvs]
    if not client.txn(guards, puts, what=f"Attaching {kvs[0].key} to lease {lease:x}").succeeded:
        module.fail_json(msg=f"One of the keys for lease {lease} ({lease:x}) was changed meanwhile: run the task again")


def main():
    rules = [("state", "present", ["ttl"]), ("state", "renewed", ["lease"]), ("state", "absent", ["lease"])]
    module = create_module(OPTIONS, required_if=rules)
    require_positive(module, "lease", "ttl")
    if module.params["keys"] and module.params["state"] != "present":
        module.fail_json(msg="keys goes with state=present only")
    with connect(module) as client:
        changed, lease, left, granted, held = apply(client, module)
    sides = ({"held": held}, None)
    if module.params["state"] != "absent":
        sides = (None, {"granted_ttl": granted, "held": held})
    diffs = [diff(f"lease {lease}", *sides)] if changed else []
    hexadecimal = None if lease is None else f"{lease:x}"
    finish(module, diffs, changed=changed, lease=lease, hex=hexadecimal, ttl=left, granted_ttl=granted, held=held)


if __name__ == "__main__":
    main()
