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
    details:
      - Whether etcd raises O(ttl) shows only as it grants the lease.
      - There is a warning where one of O(keys) is not there, for an earlier task may be to write it.
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

import contextlib

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import (
    EtcdError,
    KeyChanged,
    LeaseNotFound,
    OutcomeUnknown,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    fail_for_missing,
    finish,
    require_positive,
    require_ttl,
)

OPTIONS = {
    "lease": {"type": "int"},
    "ttl": {"type": "int"},
    "state": {"type": "str", "choices": ["present", "renewed", "absent"], "default": "present"},
    "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
}


def look(client, lease):
    """The seconds that a lease has left, and what users see of it; 0 and None where it is not there."""
    now = client.lease_status(lease, keys=True) if lease else None
    return (now.ttl, shown(now.granted, now.keys)) if now and now.ttl >= 0 else (0, None)


def shown(granted, held):
    return {"granted_ttl": granted, "held": sorted(held)}


def apply(client, module):
    """Do what the options say. Returns the lease, its seconds left, and what it was and what it is for users."""
    lease, ttl, state = (module.params[name] for name in ("lease", "ttl", "state"))
    left, before = look(client, lease)
    if state == "absent":
        if before and not module.check_mode:
            with contextlib.suppress(LeaseNotFound):  # it has ended by itself
                client.lease_revoke(lease)
        return lease, 0, before, None
    found = wanted(client, module)
    if before and not module.check_mode:
        left, before = renew(client, lease, before)
    if state == "renewed" and not before:
        module.fail_json(
            msg=f"Lease {lease} ({lease:x}) cannot be renewed: it has ended, and its keys are gone with it",
            message_id="RC-E-LEASE-NOT-FOUND",
        )
    loose = [key for key in module.params["keys"] if not (before and key in found and found[key].lease == lease)]
    if not before:
        lease, left = (lease, ttl) if module.check_mode else client.lease_grant(ttl, lease or 0)
    if loose and not module.check_mode:
        attach(client, [found[key] for key in dict.fromkeys(loose)], lease, granted=not before)
    now = before or shown(left, [])
    return lease, left, before, shown(now["granted_ttl"], {*now["held"], *loose})


def wanted(client, module):
    """The keys that the lease must hold, by name, as they are now: before anything is granted."""
    found = client.get_many(module.params["keys"])
    for key in module.params["keys"]:
        if key not in found:
            fail_for_missing(module, f"{key} is not there, so no lease can hold it: etcd_kv writes it with its lease")
    return found


def renew(client, lease, before):
    """Returns as `look` does."""
    try:
        return client.lease_keepalive(lease), before
    except LeaseNotFound:  # it has ended since
        return 0, None


def attach(client, kvs, lease, granted):
    """Attach all keys, or none. A lease that was `granted` for them is then revoked."""
    guards = [wire.unchanged(kv.key, kv.mod_revision) for kv in kvs]
    puts = [wire.put(kv.key, kv.value, lease) for kv in kvs]
    try:
        if not client.txn(guards, puts, what=f"Attaching {kvs[0].key} to lease {lease:x}").succeeded:
            raise KeyChanged(f"One of the keys for lease {lease} ({lease:x}) was changed meanwhile: run the task again")
    except OutcomeUnknown:
        raise  # the lease may hold the keys by now, and they would go with it
    except EtcdError:
        if granted:
            with contextlib.suppress(EtcdError):  # it holds nothing, and ends by itself
                client.lease_revoke(lease)
        raise


def main():
    rules = [("state", "present", ["ttl"]), ("state", "renewed", ["lease"]), ("state", "absent", ["lease"])]
    module = create_module(OPTIONS, required_if=rules)
    require_positive(module, "lease")
    require_ttl(module)
    keys = set(module.params["keys"])
    if keys and module.params["state"] != "present":
        module.fail_json(msg="keys goes with state=present only")
    if len(keys) > wire.MAX_TXN_OPS:  # in several transactions a failure would leave some of them
        module.fail_json(msg=f"keys are at most {wire.MAX_TXN_OPS}, which etcd changes at once, and not {len(keys)}")
    with connect(module) as client:
        lease, left, before, after = apply(client, module)
    changed = before != after
    diffs = [diff(f"lease {lease}", before, after)] if changed else []
    now = after or {"granted_ttl": 0, "held": before["held"] if before else []}
    hexadecimal = None if lease is None else f"{lease:x}"
    finish(module, diffs, changed=changed, lease=lease, hex=hexadecimal, ttl=left, **now)


if __name__ == "__main__":
    main()
