#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_lock
short_description: Take, renew and release a lock in etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Makes sure that an owner holds a lock, or that it does not. Whoever else holds it makes the module fail at once.
    Use C(until) to wait for it.
  - The lock is a key that has the owner's name as its value, under a lease of O(ttl) seconds. When its owner dies, etcd
    frees it after that time.
  - When the same owner runs again, the lock is renewed. Nothing else renews it.
notes:
  - B(What it does not promise.) No lock of this kind, in whatever store, can keep two from working at the same time. An
    owner that sleeps for longer than O(ttl), or is cut off from etcd, has lost the lock and does not know.
  - Where that must do no harm, let what is protected check RV(fencing_revision). Each new holder has a higher one, so
    whatever remembers the highest one it has seen can refuse those who come too late. For keys of etcd it is the
    comparison C(create_revision) of the lock's key in M(rollcall.discovery.etcd_txn).
  - Two runs that give the same O(owner) are one owner, and both have the lock.
  - C(etcdctl lock) has other keys and does not see this lock.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - It fails where somebody else holds the lock.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A second run of the same owner renews the lock, which is not a change.
options:
  key:
    description:
      - The key that is the lock.
    type: str
    required: true
  owner:
    description:
      - Who holds the lock, the same in every run that renews or releases it, and of nobody else.
    type: str
    required: true
  ttl:
    description:
      - Seconds after which the lock is free unless it is renewed, required with O(state=present).
      - Make it longer than whatever is done under the lock, or renew the lock in between.
      - etcd raises it to one and a half times its election timeout (V(2) with etcd's defaults).
      - A lock that was taken with fewer seconds gets a lease of this many. One that was taken with more keeps them.
    type: int
  state:
    description:
      - With V(present), O(owner) takes or renews the lock.
      - With V(absent), O(owner) does not hold it any more. The lock of somebody else is left alone.
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
    - name: Let no other play come in between, wait for ten minutes at most
      rollcall.discovery.etcd_lock:
        endpoints: http://etcd1:2379
        key: /locks/deploy
        owner: "{{ owner }}"
        ttl: 900
      register: lock
      until: lock is succeeded
      retries: 60
      delay: 10

    - name: Write only while the lock is still ours
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
    - name: Let the next one in
      rollcall.discovery.etcd_lock:
        endpoints: http://etcd1:2379
        key: /locks/deploy
        owner: "{{ owner }}"
        state: absent
"""

RETURN = r"""
key:
  description: The key that is the lock.
  returned: success
  type: str
  sample: /locks/deploy
holder:
  description: Who holds the lock now (in check mode would), V(null) for nobody. On failure, who holds it instead.
  returned: success, and failure where somebody else holds it
  type: str
  sample: controller/2026-01-01T00:00:00.000000Z
fencing_revision:
  description:
    - The revision of etcd at which O(owner) took the lock, the key's C(create_revision). A renewal does not change it.
    - V(null) where O(owner) does not hold the lock, and in check mode where it would take it.
  returned: success
  type: int
  sample: 42
lease:
  description: ID of the lease that holds the lock, V(null) as with RV(fencing_revision).
  returned: success
  type: int
  sample: 7587895427541393521
ttl:
  description:
    - Seconds after which the lock is free unless it is renewed, V(0) where O(owner) does not hold it.
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
    """For people; None for a lock that nobody holds."""
    return hold and {"holder": hold.owner, "granted_ttl": hold.granted}


def take(client, module, hold):
    """Returns what users see of the lock from now on, and the owner's hold: in check mode what is known of it."""
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
    """Do what the options say. Returns what users see of the lock before and after, and the owner's hold."""
    hold = lock.look(client, module.params["key"])
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
