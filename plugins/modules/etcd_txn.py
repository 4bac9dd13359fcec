#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_txn
short_description: Compare and change keys in etcd in one transaction
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Does the operations of O(success) where all comparisons of O(compare) hold, and those of O(failure) otherwise.
  - All of it happens at one revision of etcd, and nobody comes between.
  - It is not an error when a comparison does not hold. RV(succeeded) tells which operations were done.
notes:
  - The task fails before anything is changed if a key or value that it writes, or if it only reads, a value that it
    reads, contains the password of the task, since Ansible would return asterisks in its place. A value that was read
    together with a change is null then, with a warning.
  - O(user) needs permission to read the keys, also those that it writes or deletes, for what was there is told.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - etcd makes the comparisons, and reads the keys that would be changed.
      - There is a warning where a lease is not there, for an earlier task may be to grant it.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - A C(put) writes each time it is done, also the value that is there already, and that is a change.
      - Compare what you are about to write, so that a second run does not come to it.
options:
  compare:
    description:
      - What must hold. Without comparisons O(success) is done.
      - Each has a O(compare[].key) and exactly one of the fields to compare it by.
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
          - How the key's field must compare to what is given here. Not looked at with O(compare[].exists).
        type: str
        choices:
          - equal
          - not_equal
          - greater
          - less
        default: equal
      exists:
        description:
          - Whether the key must be there.
        type: bool
      value:
        description:
          - Its value. Anything else than text is compared as the JSON that M(rollcall.discovery.etcd_kv) writes.
          - No comparison by value holds for a key that is not there.
        type: raw
      version:
        description:
          - How often it was written since it was created, V(0) where it is not there.
        type: int
      create_revision:
        description:
          - The revision at which it was created, V(0) where it is not there.
        type: int
      mod_revision:
        description:
          - The revision at which it was last written, V(0) where it is not there.
        type: int
      lease:
        description:
          - ID of the lease that holds it, V(0) for none.
        type: int
  success:
    description:
      - What is done where all of O(compare) holds. etcd takes at most 128 operations, and writes no key twice.
    type: list
    elements: dict
    default: []
    suboptions: &operation
      action:
        description:
          - Whether to write the key, to delete it, or to read it.
        type: str
        choices:
          - put
          - delete
          - get
        required: true
      key:
        description:
          - The key, or what the keys start with.
        type: str
        required: true
      value:
        description:
          - What C(put) writes, and needs. Text is written as it is, anything else as JSON.
        type: raw
      lease:
        description:
          - ID of the lease that holds the key after C(put), V(0) for none.
        type: int
        default: 0
      prefix:
        description:
          - With C(delete) and C(get), whether all keys that start with the key are meant.
        type: bool
        default: false
  failure:
    description:
      - What is done where one of O(compare) does not hold.
    type: list
    elements: dict
    default: []
    suboptions: *operation
seealso:
  - module: rollcall.discovery.etcd_kv
  - module: rollcall.discovery.etcd_lock
"""

EXAMPLES = r"""
- name: Move the service to the new version, from the old one only
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

- name: Stop where it is neither the old version nor the new one
  ansible.builtin.assert:
    that: move.succeeded or move.responses[0].kvs[0].value == "2.0"
"""

RETURN = r"""
succeeded:
  description: Whether all comparisons held.
  returned: success
  type: bool
  sample: true
revision:
  description: The revision of etcd after the transaction.
  returned: success
  type: int
  sample: 42
responses:
  description: What came of each operation of O(success) or of O(failure), whichever was done.
  returned: success
  type: list
  elements: dict
  contains:
    action:
      description: As it was given.
      returned: always
      type: str
      sample: put
    key:
      description: As it was given.
      returned: always
      type: str
      sample: /app/version
    kvs:
      description:
        - The keys that C(get) read, that C(delete) deleted, or what was there before C(put). It is empty for none.
        - Each has the fields that M(rollcall.discovery.etcd_kv_info) tells of a key.
        - In check mode, what is there now.
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
        module.fail_json(msg=f"The comparison of {given['key']} needs exactly one of {', '.join(FIELDS)}")
    field, operand = fields[0], given[fields[0]]
    if field == "exists":
        return wire.compare(given["key"], "create_revision", "greater" if operand else "equal", 0)
    return wire.compare(given["key"], field, given["is"], text_of(operand, None) if field == "value" else operand)


def operation(module, given):
    action, key, value, lease, prefix = (given[name] for name in OPERATION)
    if action == "put" and (value is None or prefix):
        module.fail_json(msg=f"put of {key} needs a value, and is of one key: prefix goes with delete and get")
    if action != "put" and (value is not None or lease):
        module.fail_json(msg=f"{action} of {key} takes neither value nor lease: they go with put")
    if action == "get" or module.check_mode:
        return wire.get(key, prefix)
    if action == "delete":
        return wire.delete(key, prefix, previous=True)
    return wire.put(key, text_of(value, None), lease, previous=True)


def operations(module, branch):
    """What etcd is to do. It refuses to write a key twice, and would not say so in check mode, where it only reads."""
    keys = [given["key"] for given in branch if given["action"] == "put"]
    gone = [given for given in branch if given["action"] == "delete"]
    for key in keys:
        if keys.count(key) > 1 or any(covers(given, key) for given in gone):
            module.fail_json(msg=f"duplicate key: {key} would be written twice in one branch, which etcd refuses")
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
