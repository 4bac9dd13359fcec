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
  - Makes sure that a key has a value, or that a key, or all keys under a prefix, are not there.
  - O(items) does so for many keys at once. A task with fifty keys takes hardly longer than a task with one.
  - What is as it must be is not written again, so that those who watch the key see nothing.
notes:
  - O(user) needs permission to read the key, also where it writes or deletes it, for what is there is looked at first.
  - Values are shown in results and in diffs. Give the task C(no_log=true) where one is secret.
  - Nothing is changed, and the task fails, if the key, O(value) or the value before contains the password of the task,
    since Ansible would return asterisks in its place, and a later task could write them back.
  - A task of M(community.general.etcd3) needs no other change than the name of the module.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - There is a warning where O(lease) is not there, for an earlier task may be to grant it.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  key:
    description:
      - The key, or with O(prefix=true) what the keys to delete start with.
      - Give either O(key) or O(items).
    type: str
  items:
    description:
      - Many keys, each at most once. Their order has no meaning.
      - Up to 128 keys of 1.5 MB in all are written in one transaction, so either all of them are changed or none. Keys
        beyond that go into further transactions. If one of these fails, the error says how many keys were changed
        before; the next run of the task changes the others.
      - O(state) and O(lease) of the task hold for each item that has none of its own.
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
          - As O(value) of the task.
        type: raw
      state:
        description:
          - As O(state) of the task, which is the default.
        type: str
        choices:
          - present
          - absent
      lease:
        description:
          - As O(lease) of the task, which is the default.
        type: int
      mod_revision:
        description:
          - As O(mod_revision) of the task. If one of the keys was changed since, no key of its transaction is changed.
        type: int
  value:
    description:
      - The value, required with O(state=present). With O(state=absent) it has no effect.
      - Text is written, and compared, as it is.
      - Anything else (a mapping, a list, a number, a boolean) is written as JSON, and compared as data. A value that
        differs from it only in spaces or in the order of fields stays as it is.
      - V(null) is no value. Give the text V('null') to write it as JSON has it.
    type: raw
  state:
    description:
      - Whether the key must be there.
    type: str
    choices:
      - present
      - absent
    default: present
  prefix:
    description:
      - With O(state=absent), delete all keys that start with O(key).
      - V(/app) is a prefix of C(/apple), too. End it in a slash to stay within a directory.
    type: bool
    default: false
  lease:
    description:
      - ID of the lease that must hold the key, as M(rollcall.discovery.etcd_lease) returns it.
      - When the lease ends, etcd deletes the key.
      - V(0) frees the key from its lease.
      - By default the key stays with the lease that holds it, or with none.
    type: int
  mod_revision:
    description:
      - Change the key only where it was last written at this revision, as RV(mod_revision) of this module or
        RV(rollcall.discovery.etcd_kv_info#module:kvs[].mod_revision) told it; V(0) where it must not be there.
        Looking and writing are one transaction, so that nobody comes between.
      - It is an error when somebody has written it since. A key that is as it must be already is left alone, and no
        error, whoever wrote it.
      - Not possible with O(prefix=true).
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

- name: Set each key of a mapping from keys to values
  rollcall.discovery.etcd_kv:
    endpoints: http://etcd1:2379
    items: "{{ settings | dict2items }}"

- name: Change what was read before, unless somebody else has changed it since
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
  description: The text that the key has now (in check mode would have), V(null) where it is not there.
  returned: success, with O(key)
  type: str
  sample: green
old_value:
  description: The text that the key had before, V(null) where it was not there, and with O(prefix=true).
  returned: success, with O(key)
  type: str
  sample: blue
revision:
  description: >-
    The revision of etcd at which this was done, with several transactions the last one. If nothing had to change, the
    revision at which the keys were read; V(0) if O(items) is empty.
  returned: success
  type: int
  sample: 42
mod_revision:
  description: The revision of etcd at which the key was last written, V(null) where it is not there.
  returned: success, with O(key)
  type: int
  sample: 42
lease:
  description: ID of the lease that holds the key, V(0) for none.
  returned: success, with O(key)
  type: int
  sample: 0
kvs:
  description: What became of each of O(items), in their order.
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
      description: Whether this key was changed (in check mode would be).
      returned: always
      type: bool
      sample: true
    value:
      description: As RV(value).
      returned: always
      type: str
      sample: green
    old_value:
      description: As RV(old_value).
      returned: always
      type: str
      sample: blue
    lease:
      description: As RV(lease).
      returned: always
      type: int
      sample: 0
    mod_revision:
      description: As RV(mod_revision).
      returned: always
      type: int
      sample: 42
deleted:
  description: The keys that were deleted (in check mode would be).
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
ONE_KEY = ("value", "prefix", "mod_revision")  # options that say something of one key, so not of all items


def require_sense(module):
    """End the module if options contradict each other."""
    params, given = module.params, module.params["items"] is not None
    beside = [name for name in ONE_KEY if params[name] not in (None, False)]
    if given == (params["key"] is not None):
        module.fail_json(msg=f"key, items: expected one of them, got {'both' if given else 'neither'}")
    if given and beside:
        module.fail_json(msg=f"{', '.join(beside)}: expected within items, not beside it")
    if params["prefix"] and (params["state"] == "present" or params["mod_revision"] is not None):
        module.fail_json(msg="prefix goes with state=absent only, without mod_revision")


def wanted(module):
    """How each key must be, by its name. An item without a state or lease has that of the task."""
    params, found = module.params, {}
    rows = {"": params} if params["items"] is None else {f"items[{n}].": row for n, row in enumerate(params["items"])}
    for place, row in rows.items():
        key, lease, absent = row["key"], row["lease"], (row["state"] or params["state"]) == "absent"
        if not key:
            module.fail_json(msg=f"{place}key must not be empty")
        if key in found:
            module.fail_json(msg=f"{place}key: expected each key once, got {key} again")
        if absent and lease is not None:
            module.fail_json(msg=f"{place}lease goes with state=present only: a key that is deleted has none")
        if not absent and row["value"] is None:
            module.fail_json(msg=f"{place}value: expected a value for {key}, since state is present")
        present = () if absent else (row["value"], params["lease"] if lease is None else lease)
        found[key] = writing.Wanted(key, *present)._replace(mod_revision=row["mod_revision"])
    return found


def shown(value, lease):
    return {"value": readable(value), "lease": lease}


def difference(key, before, value, lease):
    """The diff of a key that changes; `before` is the key as it was, None for one that was not there."""
    old = None if before is None else shown(before.value, before.lease)
    return diff(key, old, None if value is None else shown(value, lease))


def told(change):
    """What users see of one key."""
    return {
        "key": change.wanted.key,
        "changed": change.changed,
        "value": change.value,
        "old_value": None if change.before is None else change.before.value,
        "lease": change.lease,
        "mod_revision": change.mod_revision,
    }


def reconcile(client, module, keys):
    """Bring the keys to what is wanted, and return the result with its diffs."""
    single = module.params["items"] is None
    changes = writing.compare(client, list(keys.values()))
    texts = [{name: told(change)[name] for name in ("key", "value", "old_value")} for change in changes.all]
    refuse_hidden(module, **(texts[0] if single else {"kvs": texts}))
    if module.check_mode:
        for lease in sorted({change.lease for change in changes.all if change.changed}):
            foresee_lease(module, client, lease)
    else:
        changes = writing.write(client, changes)
    changed = [change for change in changes.all if change.changed]
    kvs = [told(change) for change in changes.all]
    return {
        **(kvs[0] if single else {"kvs": kvs}),
        "changed": bool(changed),
        "revision": changes.revision,
        "deleted": [change.wanted.key for change in changed if change.value is None],
        "diffs": [difference(change.wanted.key, change.before, change.value, change.lease) for change in changed],
    }


def delete_prefix(client, module):
    """Delete all keys under the prefix, and return as `reconcile` does."""
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
    require_sense(module)
    keys = wanted(module)
    with connect(module) as client:
        result = delete_prefix(client, module) if module.params["prefix"] else reconcile(client, module, keys)
    finish(module, result.pop("diffs"), **result)


if __name__ == "__main__":
    main()
