#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_txn
short_description: Compare and change keys in etcd in a transaction
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Executes the operations in O(success) if all comparisons in O(compare) are true, otherwise those in O(failure).
  - The comparisons and operations are atomic. They happen at one revision of etcd, and no other client can change the
    keys in between.
  - A false comparison is not an error. RV(succeeded) shows which operations were executed.
notes:
  - If a key or value to write contains the password or another secret option of the task, the task fails before it
    changes anything, since Ansible would replace that part with asterisks in the result. A task that only reads also
    fails if a value that was read contains such a secret. If it was read together with a change, the result contains
    V(null) instead, with a warning.
  - O(user) needs permission to read all keys, even those that are only written or deleted, since the module returns
    their former values.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - etcd evaluates the comparisons, and the module reads the keys that would change.
      - If a lease does not exist, there is only a warning, since an earlier task may grant it.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - A C(put) always writes, even if the key already has that value, which counts as a change.
      - To make a task idempotent, add a comparison that is false after the first run.
options:
  compare:
    description:
      - The comparisons. Without any, O(success) is executed.
      - Each has a O(compare[].key) and exactly one field to compare.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description:
          - The key.
        type: str
        required: true
      is:
        description:
          - How the field of the key must compare to the given value. Ignored with O(compare[].exists).
        type: str
        choices:
          - equal
          - not_equal
          - greater
          - less
        default: equal
      exists:
        description:
          - Whether the key must exist.
        type: bool
      value:
        description:
          - The value of the key. Values that are not strings are compared as the JSON that
            M(rollcall.discovery.etcd_kv) writes.
          - If the key does not exist, a comparison by value is always false.
        type: raw
      version:
        description:
          - How many times the key has been written since it was created, V(0) if it does not exist.
        type: int
      create_revision:
        description:
          - The revision at which the key was created, V(0) if it does not exist.
        type: int
      mod_revision:
        description:
          - The revision at which the key was last written, V(0) if it does not exist.
        type: int
      lease:
        description:
          - ID of the lease that the key is attached to, V(0) for no lease.
        type: int
  success:
    description:
      - Operations to execute if all comparisons in O(compare) are true. etcd accepts at most 128 operations, and at
        most one write of each key.
    type: list
    elements: dict
    default: []
    suboptions: &operation
      action:
        description:
          - The operation on the key. C(put) writes it, C(delete) deletes it, C(get) reads it.
        type: str
        choices:
          - put
          - delete
          - get
        required: true
      key:
        description:
          - The key. With O(success[].prefix=true), the prefix of the keys.
        type: str
        required: true
      value:
        description:
          - The value to write, required with C(put). Strings are written unchanged, all other types as JSON.
        type: raw
      lease:
        description:
          - With C(put), ID of the lease to attach the key to, V(0) for no lease.
        type: int
        default: 0
      prefix:
        description:
          - With C(delete) and C(get), whether to delete or read all keys that start with the given key.
        type: bool
        default: false
  failure:
    description:
      - Operations to execute if at least one comparison in O(compare) is false.
    type: list
    elements: dict
    default: []
    suboptions: *operation
seealso:
  - module: rollcall.discovery.etcd_kv
  - module: rollcall.discovery.etcd_lock
"""

EXAMPLES = r"""
- name: Change the version, but only from 1.0 to 2.0
  rollcall.discovery.etcd_txn:
    endpoints: http://etcd1:2379
    compare:
      - key: /app/version
        value: "1.0"
      - key: /app/frozen
        exists: false
    success:
      - action: put
        key: /app/version
        value: "2.0"
      - action: delete
        key: /app/cache/
        prefix: true
    failure:
      - action: get
        key: /app/version
  register: move

- name: Fail if it is neither the old version nor the new one
  ansible.builtin.assert:
    that: move.succeeded or move.responses[0].kvs[0].value == "2.0"
"""

RETURN = r"""
succeeded:
  description: Whether all comparisons were true.
  returned: success
  type: bool
  sample: true
revision:
  description: The revision of etcd after the transaction.
  returned: success
  type: int
  sample: 42
responses:
  description: The results of the executed operations, those in O(success) or those in O(failure).
  returned: success
  type: list
  elements: dict
  contains:
    action:
      description: The action of the operation.
      returned: always
      type: str
      sample: put
    key:
      description: The key of the operation.
      returned: always
      type: str
      sample: /app/version
    kvs:
      description:
        - The keys that C(get) read or C(delete) deleted, or the key as it was before C(put). The list is empty if there
          were no such keys.
        - Each has the fields that M(rollcall.discovery.etcd_kv_info) returns for a key.
        - In check mode, the current keys.
      returned: always
      type: list
      elements: dict
      sample: []
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.values import text_of
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    finish,
    foresee_lease,
    readable,
    refuse_hidden,
)

FIELDS = ("exists", *wire.TARGETS)
COMPARISON = {
    "key": {"type": "str", "required": True, "no_log": False},
    "is": {"type": "str", "choices": list(wire.RESULTS), "default": "equal"},
    "exists": {"type": "bool"},
    "value": {"type": "raw"},
    **{name: {"type": "int"} for name in ("version", "create_revision", "mod_revision", "lease")},
}
OPERATION = {
    "action": {"type": "str", "choices": ["put", "delete", "get"], "required": True},
    "key": {"type": "str", "required": True, "no_log": False},
    "value": {"type": "raw"},
    "lease": {"type": "int", "default": 0},
    "prefix": {"type": "bool", "default": False},
}
NESTED = {"compare": COMPARISON, "success": OPERATION, "failure": OPERATION}
OPTIONS = {name: {"type": "list", "elements": "dict", "options": NESTED[name], "default": []} for name in NESTED}


def comparison(module, given):
    fields = [name for name in FIELDS if given[name] is not None]
    if len(fields) != 1:
        got = ", ".join(fields) or "no field"
        module.fail_json(
            msg=f"compare of {given['key']}: expected exactly one of {', '.join(FIELDS)}, got {got}",
        )
    field, operand = fields[0], given[fields[0]]
    if field == "exists":
        return wire.compare(given["key"], "create_revision", "greater" if operand else "equal", 0)
    return wire.compare(given["key"], field, given["is"], text_of(operand, None) if field == "value" else operand)


def operation(module, given):
    action, key, value, lease, prefix = (given[name] for name in OPERATION)
    if action == "put" and (value is None or prefix):
        got = "prefix" if prefix else "no value"
        module.fail_json(msg=f"put of {key}: expected a value and no prefix, got {got}")
    if action != "put" and (value is not None or lease):
        got = "a lease" if value is None else "a value"
        module.fail_json(msg=f"{action} of {key}: expected neither value nor lease, got {got}. Only put has them")
    if action == "get" or module.check_mode:
        return wire.get(key, prefix)
    if action == "delete":
        return wire.delete(key, prefix, previous=True)
    return wire.put(key, text_of(value, None), lease, previous=True)


def operations(module, branch):
    """The operations for etcd. It rejects two writes of one key, but not in check mode, which only reads: so check."""
    keys = [given["key"] for given in branch if given["action"] == "put"]
    gone = [given for given in branch if given["action"] == "delete"]
    for key in keys:
        if keys.count(key) > 1 or any(covers(given, key) for given in gone):
            module.fail_json(msg=f"duplicate key: expected at most one write of each key in a branch, got two of {key}")
    return [operation(module, given) for given in branch]


def covers(given, key):
    return key.startswith(given["key"]) if given["prefix"] else key == given["key"]


def difference(given, kvs):
    sides = [(kv.key, {"value": readable(kv.value), "lease": kv.lease}) for kv in kvs]
    if given["action"] == "delete":
        return [diff(key, side, None) for key, side in sides]
    after = {"value": readable(text_of(given["value"], None)), "lease": given["lease"]}
    return [diff(given["key"], sides[0][1] if sides else None, after)]


def main():
    module = create_module(OPTIONS)
    refuse_hidden(module, success=module.params["success"], failure=module.params["failure"])
    compare = [comparison(module, given) for given in module.params["compare"]]
    branches = [operations(module, module.params[name]) for name in ("success", "failure")]
    with connect(module) as client:
        done = client.txn(compare, *branches)
        chosen = module.params["success" if done.succeeded else "failure"]
        for lease in sorted({given["lease"] for given in chosen if given["action"] == "put"}):
            foresee_lease(module, client, lease)
    responses, diffs = [], []
    for index, given in enumerate(chosen):
        kvs = done.range(index).kvs if module.check_mode or given["action"] == "get" else done.previous(index)
        diffs += [] if given["action"] == "get" else difference(given, kvs)
        responses.append({"action": given["action"], "key": given["key"], "kvs": [kv._asdict() for kv in kvs]})
    if not diffs:
        refuse_hidden(module, responses=responses)
    finish(module, diffs, changed=bool(diffs), succeeded=done.succeeded, revision=done.revision, responses=responses)


if __name__ == "__main__":
    main()
