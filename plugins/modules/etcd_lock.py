#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_lock
short_description: Acquire, renew and release a lock in etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Makes sure that an owner holds a lock, or that it does not. If another owner holds the lock, the module fails
    immediately. Use C(until) to wait for the lock.
  - The lock is a key whose value is the owner. It is attached to a lease of O(ttl) seconds, so etcd releases the lock
    after that time if its owner fails.
  - Each further run with the same owner renews the lock. Nothing else renews it.
notes:
  - B(Limits of the lock.) A lock with a timeout cannot guarantee, in any data store, that two owners never work at the
    same time. An owner that is suspended for longer than O(ttl), or cut off from etcd, loses the lock without noticing.
  - If that could do harm, make the protected system check RV(fencing_revision). It is higher for each new holder, so a
    system that remembers the highest one it has seen can reject requests from an earlier holder. To protect keys in
    etcd, compare C(create_revision) of the lock's key in M(rollcall.discovery.etcd_txn).
  - Two runs with the same O(owner) count as one owner, and both hold the lock.
  - C(etcdctl lock) uses other keys and does not see this lock.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - Fails if another owner holds the lock.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A second run with the same owner renews the lock, which is not a change.
options:
  key:
    description:
      - The key that represents the lock.
    type: str
    required: true
  owner:
    description:
      - Name of the owner. Use the same name in all runs that renew or release the lock, and a name that no other owner
        uses.
    type: str
    required: true
  ttl:
    description:
      - Seconds after which etcd releases the lock unless it is renewed, required with O(state=present).
      - Choose more time than the protected work takes, or renew the lock in between.
      - The minimum is 1.5 times etcd's election timeout (V(2) with etcd's defaults). etcd raises smaller values to it.
      - A lock that the owner acquired with a shorter time gets a lease of this time. A longer time remains.
    type: int
  state:
    description:
      - V(present) acquires the lock for O(owner), or renews it.
      - V(absent) releases the lock if O(owner) holds it. The lock of another owner does not change.
    type: str
    choices:
      - present
      - absent
    default: present
seealso:
  - module: rollcall.discovery.etcd_txn
  - module: rollcall.discovery.etcd_lease
"""

EXAMPLES = r"""
- name: Deploy
  vars:
    owner: "{{ lookup('ansible.builtin.pipe', 'hostname') }}/{{ ansible_date_time.iso8601_micro }}"
  run_once: true
  block:
    - name: Acquire the lock, wait for at most ten minutes
      rollcall.discovery.etcd_lock:
        endpoints: http://etcd1:2379
        key: /locks/deploy
        owner: "{{ owner }}"
        ttl: 900
      register: lock
      until: lock is succeeded
      retries: 60
      delay: 10

    - name: Write only if the lock is still held
      rollcall.discovery.etcd_txn:
        endpoints: http://etcd1:2379
        compare:
          - key: /locks/deploy
            create_revision: "{{ lock.fencing_revision }}"
        success:
          - action: put
            key: /app/version
            value: "2.0"
  always:
    - name: Release the lock
      rollcall.discovery.etcd_lock:
        endpoints: http://etcd1:2379
        key: /locks/deploy
        owner: "{{ owner }}"
        state: absent
"""

RETURN = r"""
key:
  description: The key that represents the lock.
  returned: success
  type: str
  sample: /locks/deploy
holder:
  description: >-
    Owner that holds the lock (in check mode, that would hold it), V(null) if it is free. On failure, the other owner
    that holds it.
  returned: success, and failure if another owner holds the lock
  type: str
  sample: controller/2026-01-01T00:00:00.000000Z
fencing_revision:
  description:
    - The revision of etcd at which O(owner) acquired the lock, the key's C(create_revision). A renewal does not change
      it.
    - V(null) if O(owner) does not hold the lock, and in check mode if it would acquire it.
  returned: success
  type: int
  sample: 42
lease:
  description: ID of the lease of the lock, V(null) in the same cases as RV(fencing_revision).
  returned: success
  type: int
  sample: 7587895427541393521
ttl:
  description:
    - Seconds after which etcd releases the lock unless it is renewed, V(0) if O(owner) does not hold it.
  returned: success
  type: int
  sample: 900
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import lock
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    finish,
    refuse_hidden,
    require_text,
    require_ttl,
)

OPTIONS = {
    "key": {"type": "str", "required": True, "no_log": False},
    "owner": {"type": "str", "required": True},
    "ttl": {"type": "int"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def shown(hold):
    """The lock's data for the diff; None if it is free."""
    return hold and {"holder": hold.owner, "granted_ttl": hold.granted}


def take(client, module, hold):
    """Acquire or renew. Returns the lock's data for the diff and the owner's hold, in check mode the known one."""
    key, owner, ttl = (module.params[name] for name in ("key", "owner", "ttl"))
    if hold and hold.owner != owner:
        raise lock.held(key, hold)
    if module.check_mode:
        return {"holder": owner, "granted_ttl": max(ttl, hold.granted if hold else 0)}, hold
    hold = lock.take(client, key, owner, ttl, hold)
    return shown(hold), hold


def release(client, module, hold):
    if not hold or hold.owner != module.params["owner"]:
        return shown(hold), None
    if not module.check_mode:
        lock.release(client, module.params["key"], hold)
    return None, None


def apply(client, module):
    """Apply the options. Returns the lock's data for the diff before and after, and the owner's hold."""
    hold = lock.read(client, module.params["key"])
    try:
        step = take if module.params["state"] == "present" else release
        return (shown(hold), *step(client, module, hold))
    except lock.LockHeld as exc:
        module.fail_json(msg=str(exc), message_id=exc.id, holder=exc.holder)


def main():
    module = create_module(OPTIONS, required_if=[("state", "present", ["ttl"])])
    require_ttl(module)
    require_text(module, "key", "owner")
    key = module.params["key"]
    refuse_hidden(module, key=key, owner=module.params["owner"])
    with connect(module) as client:
        before, after, hold = apply(client, module)
    changed, holder = before != after, after and after["holder"]
    diffs = [diff(f"lock {key}", before, after)] if changed else []
    own = hold._asdict() if hold else {"since": None, "lease": None, "ttl": 0}
    result = {"fencing_revision": own["since"], "lease": own["lease"], "ttl": own["ttl"]}
    finish(module, diffs, changed=changed, key=key, holder=holder, **result)


if __name__ == "__main__":
    main()
