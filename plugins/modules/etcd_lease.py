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
  - Keys can be attached to a lease. When the lease expires or is revoked, etcd deletes them.
  - B(A lease expires unless a client keeps it alive.) This module renews a lease only once each time it runs. If
    nothing else renews it within O(ttl) seconds, etcd deletes the lease and all its keys.
  - For keys that must stay, use P(rollcall.discovery.register#role) or C(etcdctl lease keep-alive) to keep the lease
    alive, or run the play more often than every O(ttl) seconds.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - Cannot predict whether etcd will grant a longer lease than O(ttl).
      - If one of O(keys) does not exist, there is only a warning, since an earlier task may create it.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - A second run renews the lease, which is not a change.
      - Without O(lease), each run grants another lease.
options:
  lease:
    description:
      - ID of the lease, either a positive number of your choice or one that this module has returned.
      - The ID is decimal here, while C(etcdctl) shows it in hexadecimal. RV(hex) has that form, and
        C({{ '694d71a5' | int(base=16) }}) converts it.
      - Required unless O(state=present). By default, etcd chooses the ID.
    type: int
  ttl:
    description:
      - Time to live in seconds, required with O(state=present).
      - The minimum is 1.5 times etcd's election timeout (V(2) with etcd's defaults). etcd raises smaller values to it.
      - An existing lease keeps its granted time to live; etcd cannot change it.
    type: int
  keys:
    description:
      - With O(state=present), existing keys to attach to the lease, at most 128. Their values do not change.
      - A key that is attached to another lease moves to this one. Other keys of this lease remain attached to it.
      - To write a key together with its value and lease, use M(rollcall.discovery.etcd_kv).
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  state:
    description:
      - V(present) grants the lease, or renews it once if it exists.
      - V(renewed) renews it once, and fails if it has expired, since etcd has then deleted its keys.
      - V(absent) revokes it, which deletes its keys.
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
- name: Grant a lease for the duration of the deployment
  rollcall.discovery.etcd_lease:
    endpoints: http://etcd1:2379
    ttl: 600
  register: deployment

- name: Announce the deployment
  rollcall.discovery.etcd_kv:
    endpoints: http://etcd1:2379
    key: /deployments/app
    value: running
    lease: "{{ deployment.lease }}"

- name: Renew the lease, or fail if the deployment took longer than that
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

- name: Attach existing keys to a lease
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
  description: ID of the lease, V(null) in check mode if etcd would choose it.
  returned: success
  type: int
  sample: 7587895427541393521
hex:
  description: ID of the lease in hexadecimal, as C(etcdctl) shows it.
  returned: success
  type: str
  sample: 694d9c3f8e1a2c71
ttl:
  description: Remaining time to live in seconds, V(0) if the lease does not exist.
  returned: success
  type: int
  sample: 600
granted_ttl:
  description: Granted time to live in seconds, V(0) if the lease does not exist.
  returned: success
  type: int
  sample: 600
held:
  description: The keys that are attached to the lease. With O(state=absent), the keys that were deleted with it.
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


def read_lease(client, lease):
    """The remaining seconds of a lease and its data for the diff; 0 and None if it does not exist."""
    now = client.lease_status(lease, keys=True) if lease else None
    return (now.ttl, shown(now.granted, now.keys)) if now and now.ttl >= 0 else (0, None)


def shown(granted, held):
    return {"granted_ttl": granted, "held": sorted(held)}


def apply(client, module):
    """Apply the options. Returns the lease, its remaining seconds, and its data for the diff before and after."""
    lease, ttl, state = (module.params[name] for name in ("lease", "ttl", "state"))
    left, before = read_lease(client, lease)
    if state == "absent":
        if before and not module.check_mode:
            with contextlib.suppress(LeaseNotFound):  # it has just expired
                client.lease_revoke(lease)
        return lease, 0, before, None
    found = wanted(client, module)
    if before and not module.check_mode:
        left, before = renew(client, lease, before)
    if state == "renewed" and not before:
        module.fail_json(
            msg=f"Cannot renew lease {lease} ({lease:x}): it has expired or was revoked, and etcd has deleted its "
            "keys. Grant it again with state=present and write the keys again",
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
    """Reads the keys to attach, before a lease is granted. Returns them by name."""
    found = client.get_many(module.params["keys"])
    for key in module.params["keys"]:
        if key not in found:
            fail_for_missing(
                module,
                f"Cannot attach {key} to a lease: the key does not exist. Write it with its lease, using etcd_kv",
            )
    return found


def renew(client, lease, before):
    """Renew a lease. Returns the same as `read_lease`."""
    try:
        return client.lease_keepalive(lease), before
    except LeaseNotFound:  # it has expired since it was read
        return 0, None


def attach(client, kvs, lease, granted):
    """Attach all keys, or none of them and revoke the lease if it was `granted` for them."""
    guards = [wire.unchanged(kv.key, kv.mod_revision) for kv in kvs]
    puts = [wire.put(kv.key, kv.value, lease) for kv in kvs]
    try:
        if not client.txn(guards, puts, what=f"Attaching {kvs[0].key} to lease {lease:x}").succeeded:
            raise KeyChanged(
                f"Cannot attach keys to lease {lease} ({lease:x}): another client has changed one of them in the "
                "meantime. Run the task again"
            )
    except OutcomeUnknown:
        raise  # the keys may be attached by now, and revoking the lease would delete them
    except EtcdError:
        if granted:
            with contextlib.suppress(EtcdError):  # no key is attached, so the lease may as well expire
                client.lease_revoke(lease)
        raise


def main():
    rules = [("state", "present", ["ttl"]), ("state", "renewed", ["lease"]), ("state", "absent", ["lease"])]
    module = create_module(OPTIONS, required_if=rules)
    require_positive(module, "lease")
    require_ttl(module)
    keys = set(module.params["keys"])
    if keys and module.params["state"] != "present":
        module.fail_json(msg=f"keys: expected only with state=present, got it with state={module.params['state']}")
    if len(keys) > wire.MAX_TXN_OPS:  # a failure between two transactions would leave some of them attached
        module.fail_json(
            msg=f"keys: expected at most {wire.MAX_TXN_OPS} (the operations of one transaction), got {len(keys)}"
        )
    with connect(module) as client:
        lease, left, before, after = apply(client, module)
    changed = before != after
    diffs = [diff(f"lease {lease}", before, after)] if changed else []
    now = after or {"granted_ttl": 0, "held": before["held"] if before else []}
    hexadecimal = None if lease is None else f"{lease:x}"
    finish(module, diffs, changed=changed, lease=lease, hex=hexadecimal, ttl=left, **now)


if __name__ == "__main__":
    main()
