#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_kv
short_description: Write and delete keys in etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Writes a key, or deletes a key or all keys under a prefix.
  - With O(items), it does so for many keys at once. A task with fifty keys takes hardly longer than a task with one.
  - The module does not write a key again if it already has the desired value and lease, so watchers see no event.
notes:
  - O(user) needs permission to read the key, even if the task writes or deletes it, since the module compares first.
  - Results and diffs show values. Set C(no_log=true) for the task if a value is secret.
  - If the key, O(value) or the former value contains the password or another secret option of the task, the task fails
    before it changes anything. Otherwise Ansible would return asterisks, and a later task could write them back.
  - To migrate a task from M(community.general.etcd3), only change the name of the module.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - If O(lease) does not exist, there is only a warning, since an earlier task may grant it.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  key:
    description:
      - The key. With O(prefix=true), the prefix of the keys to delete.
      - Set either O(key) or O(items).
    type: str
  items:
    description:
      - Many keys, each at most once. Their order does not matter.
      - Up to 128 keys with 1.5 MB in total are written in one transaction, which changes either all of them or none.
        Further keys are written in further transactions. If one of these fails, the error says how many keys were
        already changed. The next run of the task changes the others.
      - O(state) and O(lease) of the task are the defaults of the items.
      - An empty list changes nothing.
    type: list
    elements: dict
    version_added: 0.3.0
    suboptions:
      key:
        description:
          - The key.
        type: str
        required: true
      value:
        description:
          - Like O(value) of the task.
        type: raw
      state:
        description:
          - Like O(state) of the task, which is the default.
        type: str
        choices:
          - present
          - absent
      lease:
        description:
          - Like O(lease) of the task, which is the default.
        type: int
      mod_revision:
        description:
          - Like O(mod_revision) of the task. If it does not match for one of the keys, the module changes no key of the
            same transaction.
        type: int
  value:
    description:
      - The value, required with O(state=present). Ignored with O(state=absent).
      - Strings are written and compared unchanged.
      - Other types (mappings, lists, numbers, booleans) are written as JSON and compared as data. An existing value
        that differs only in whitespace or in the order of fields is not changed.
      - V(null) means that there is no value. To write the JSON value, use the string V('null').
    type: raw
  state:
    description:
      - Whether the key must exist.
    type: str
    choices:
      - present
      - absent
    default: present
  prefix:
    description:
      - With O(state=absent), delete all keys that start with O(key).
      - V(/app) is a prefix of C(/apple) as well. End the prefix with a slash to match only the keys of a directory.
    type: bool
    default: false
  lease:
    description:
      - ID of the lease to attach the key to, as returned by M(rollcall.discovery.etcd_lease).
      - When the lease expires or is revoked, etcd deletes the key.
      - V(0) detaches the key from its lease.
      - By default, the module does not change the lease of a key.
    type: int
  mod_revision:
    description:
      - Change the key only if it was last written at this revision, which is RV(mod_revision) of this module or
        RV(rollcall.discovery.etcd_kv_info#module:kvs[].mod_revision). V(0) means that the key must not exist yet. The
        comparison and the write are atomic.
      - The module fails if another client has written the key since, unless the key already has the desired value.
      - Cannot be used with O(prefix=true).
    type: int
seealso:
  - module: rollcall.discovery.etcd_txn
  - module: rollcall.discovery.etcd_kv_info
  - module: rollcall.discovery.etcd_lease
"""

EXAMPLES = r"""
- name: Set a key
  rollcall.discovery.etcd_kv:
    endpoints: http://etcd1:2379
    key: /app/colour
    value: green

- name: Set a key to data, over TLS with a password
  rollcall.discovery.etcd_kv:
    endpoints:
      - https://etcd1:2379
      - https://etcd2:2379
      - https://etcd3:2379
    ca_cert: /etc/ssl/etcd-ca.pem
    user: deployer
    password: "{{ etcd_password }}"
    key: /app/limits
    value:
      connections: 200
      seconds: 30

- name: Set many keys at once
  rollcall.discovery.etcd_kv:
    endpoints: http://etcd1:2379
    items:
      - key: /app/colour
        value: green
      - key: /app/limits
        value:
          connections: 200
      - key: /app/size
        state: absent

- name: Set all keys from a mapping of keys to values
  rollcall.discovery.etcd_kv:
    endpoints: http://etcd1:2379
    items: "{{ settings | dict2items }}"

- name: Change a key that was read before, unless another client has changed it since
  rollcall.discovery.etcd_kv:
    endpoints: http://etcd1:2379
    key: /app/limits
    value: "{{ limits | combine({'seconds': 60}) }}"
    mod_revision: "{{ found.kvs[0].mod_revision }}"

- name: Delete a key
  rollcall.discovery.etcd_kv:
    endpoints: http://etcd1:2379
    key: /app/colour
    state: absent

- name: Delete all keys of the application
  rollcall.discovery.etcd_kv:
    endpoints: http://etcd1:2379
    key: /app/
    prefix: true
    state: absent
"""

RETURN = r"""
key:
  description: The key, or the prefix.
  returned: success, with O(key)
  type: str
  sample: /app/colour
value:
  description: The value of the key after the task (in check mode, as it would be), V(null) if the key does not exist.
  returned: success, with O(key)
  type: str
  sample: green
old_value:
  description: The former value of the key, V(null) if the key did not exist, and with O(prefix=true).
  returned: success, with O(key)
  type: str
  sample: blue
revision:
  description: >-
    The revision of etcd after the change, or after the last of several transactions. If nothing had to change, the
    revision at which the keys were read; V(0) if O(items) is empty.
  returned: success
  type: int
  sample: 42
mod_revision:
  description: The revision of etcd at which the key was last written, V(null) if it does not exist.
  returned: success, with O(key)
  type: int
  sample: 42
lease:
  description: ID of the lease that the key is attached to, V(0) if there is no lease.
  returned: success, with O(key)
  type: int
  sample: 0
kvs:
  description: The result for each of O(items), in their order.
  returned: success, with O(items)
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      returned: always
      type: str
      sample: /app/colour
    changed:
      description: Whether this key was changed (in check mode, whether it would be).
      returned: always
      type: bool
      sample: true
    value:
      description: Like RV(value).
      returned: always
      type: str
      sample: green
    old_value:
      description: Like RV(old_value).
      returned: always
      type: str
      sample: blue
    lease:
      description: Like RV(lease).
      returned: always
      type: int
      sample: 0
    mod_revision:
      description: Like RV(mod_revision).
      returned: always
      type: int
      sample: 42
deleted:
  description: The keys that were deleted (in check mode, that would be deleted).
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import writing
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    finish,
    foresee_lease,
    readable,
    refuse_hidden,
)

KEY = {
    "value": {"type": "raw"},
    "lease": {"type": "int"},
    "mod_revision": {"type": "int"},
}
ITEM = {
    "key": {"type": "str", "required": True, "no_log": False},
    "state": {"type": "str", "choices": ["present", "absent"]},
    **KEY,
}
OPTIONS = {
    "key": {"type": "str", "no_log": False},
    "items": {"type": "list", "elements": "dict", "options": ITEM},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "prefix": {"type": "bool", "default": False},
    **KEY,
}
ONE_KEY = ("value", "prefix", "mod_revision")  # options for a single key, which items have themselves


def check_options(module):
    """End the module with an error if options contradict each other."""
    params, given = module.params, module.params["items"] is not None
    beside = [name for name in ONE_KEY if params[name] not in (None, False)]
    if given == (params["key"] is not None):
        module.fail_json(msg=f"key, items: expected one of them, got {'both' if given else 'neither'}")
    if given and beside:
        module.fail_json(msg=f"{', '.join(beside)}: expected within items, got it beside items")
    if params["prefix"] and (params["state"] == "present" or params["mod_revision"] is not None):
        got = "state=present" if params["state"] == "present" else "mod_revision"
        module.fail_json(msg=f"prefix: expected only with state=absent and without mod_revision, got it with {got}")


def wanted(module):
    """The desired state of each key, by its name. The task's state and lease are the defaults of the items."""
    params, found = module.params, {}
    rows = {"": params} if params["items"] is None else {f"items[{n}].": row for n, row in enumerate(params["items"])}
    for place, row in rows.items():
        key, lease, absent = row["key"], row["lease"], (row["state"] or params["state"]) == "absent"
        if not key:
            module.fail_json(msg=f"{place}key: expected a value, got an empty string")
        if key in found:
            module.fail_json(msg=f"{place}key: expected each key once, got {key} again")
        if absent and lease is not None:
            module.fail_json(msg=f"{place}lease: expected only with state=present, got it with state=absent")
        if not absent and row["value"] is None:
            module.fail_json(msg=f"{place}value: expected a value for {key}, since state is present")
        present = () if absent else (row["value"], params["lease"] if lease is None else lease)
        found[key] = writing.Wanted(key, *present)._replace(mod_revision=row["mod_revision"])
    return found


def shown(value, lease):
    return {"value": readable(value), "lease": lease}


def difference(key, before, value, lease):
    """The diff of a key that changes; `before` is the former key, None if it did not exist."""
    old = None if before is None else shown(before.value, before.lease)
    return diff(key, old, None if value is None else shown(value, lease))


def public(change):
    """The result for one key."""
    return {
        "key": change.wanted.key,
        "changed": change.changed,
        "value": change.value,
        "old_value": None if change.before is None else change.before.value,
        "lease": change.lease,
        "mod_revision": change.mod_revision,
    }


def reconcile(client, module, keys):
    """Write the keys that differ, and return the result with its diffs."""
    single = module.params["items"] is None
    changes = writing.compare(client, list(keys.values()))
    texts = [{name: public(change)[name] for name in ("key", "value", "old_value")} for change in changes.all]
    refuse_hidden(module, **(texts[0] if single else {"kvs": texts}))
    if module.check_mode:
        for lease in sorted({change.lease for change in changes.all if change.changed}):
            foresee_lease(module, client, lease)
    else:
        changes = writing.write(client, changes)
    changed = [change for change in changes.all if change.changed]
    kvs = [public(change) for change in changes.all]
    return {
        **(kvs[0] if single else {"kvs": kvs}),
        "changed": bool(changed),
        "revision": changes.revision,
        "deleted": [change.wanted.key for change in changed if change.value is None],
        "diffs": [difference(change.wanted.key, change.before, change.value, change.lease) for change in changed],
    }


def delete_prefix(client, module):
    """Delete all keys under the prefix, and return the result like `reconcile`."""
    prefix = module.params["key"]
    found = client.read_all(prefix)
    revision, kvs = found.revision, found.kvs
    refuse_hidden(module, deleted=[kv.key for kv in kvs])
    if kvs and not module.check_mode:
        revision, kvs = client.delete(prefix, prefix=True)
    return {
        **dict.fromkeys(("value", "old_value", "mod_revision")),
        "key": prefix,
        "lease": 0,
        "changed": bool(kvs),
        "revision": revision,
        "deleted": [kv.key for kv in kvs],
        "diffs": [difference(kv.key, kv, None, 0) for kv in kvs],
    }


def main():
    module = create_module(OPTIONS)
    check_options(module)
    keys = wanted(module)
    with connect(module) as client:
        result = delete_prefix(client, module) if module.params["prefix"] else reconcile(client, module, keys)
    finish(module, result.pop("diffs"), **result)


if __name__ == "__main__":
    main()
