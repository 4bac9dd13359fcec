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
    type: str
    required: true
  value:
    description:
      - The value, required with O(state=present).
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
  returned: success
  type: str
  sample: /app/colour
value:
  description: The text that the key has now (in check mode would have), V(null) where it is not there.
  returned: success
  type: str
  sample: green
old_value:
  description: The text that the key had before, V(null) where it was not there, and with O(prefix=true).
  returned: success
  type: str
  sample: blue
revision:
  description: The revision of etcd at which this was done or, where nothing was to do, found.
  returned: success
  type: int
  sample: 42
mod_revision:
  description: The revision of etcd at which the key was last written, V(null) where it is not there.
  returned: success
  type: int
  sample: 42
lease:
  description: ID of the lease that holds the key, V(0) for none.
  returned: success
  type: int
  sample: 0
deleted:
  description: The keys that were deleted (in check mode would be).
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    finish,
    foresee_lease,
    readable,
    refuse_hidden,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._values import text_of

OPTIONS = {
    "key": {"type": "str", "required": True, "no_log": False},
    "value": {"type": "raw"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "prefix": {"type": "bool", "default": False},
    "lease": {"type": "int"},
    "mod_revision": {"type": "int"},
}


def shown(value, lease):
    return {"value": readable(value), "lease": lease}


def fields_of(kvs):
    """Value, lease and mod_revision of the key that was read; the value and the last are None where it is not there."""
    return (kvs[0].value, kvs[0].lease, kvs[0].mod_revision) if kvs else (None, 0, None)


def change(client, module, seen, operation):
    """Do an operation where the key is as mod_revision expects it; `seen` is what was read. None in check mode."""
    key, expected = module.params["key"], module.params["mod_revision"]
    if not module.check_mode:
        compare = [] if expected is None else [wire.unchanged(key, expected)]
        done = client.txn(compare, [operation], [wire.get(key)], what=f"Changing {key}")
        if done.succeeded:
            return done
        seen = done.range(0).kvs
    if expected not in (None, seen[0].mod_revision if seen else 0):
        now = f"was last written at revision {seen[0].mod_revision}" if seen else "is not there"
        module.fail_json(msg=f"{key} {now}, and mod_revision expects {expected}. Nothing was changed: read it again")
    return None


def put(client, module):
    key, value, lease = (module.params[name] for name in ("key", "value", "lease"))
    found = client.range(key)
    old_value, old_lease, written = fields_of(found.kvs)
    new = {"value": text_of(value, old_value), "lease": old_lease if lease is None else lease}
    refuse_hidden(module, key=key, value=new["value"], old_value=old_value)
    result = {"changed": new != {"value": old_value, "lease": old_lease}, "revision": found.revision}
    done = change(client, module, found.kvs, wire.put(key, previous=True, **new)) if result["changed"] else None
    if done:
        old_value, old_lease, _revision = fields_of(done.previous(0))  # not what was read: others may write in between
        result["revision"] = written = done.revision
    elif result["changed"]:
        foresee_lease(module, client, new["lease"])
    result.update(new, old_value=old_value, mod_revision=written, deleted=[])
    return result, [diff(key, None if old_value is None else shown(old_value, old_lease), shown(**new))]


def delete(client, module):
    key, prefix = module.params["key"], module.params["prefix"]
    found = client.read_all(key) if prefix else client.range(key)
    revision, kvs = found.revision, found.kvs
    refuse_hidden(module, deleted=[kv.key for kv in kvs], old_value=kvs[0].value if kvs and not prefix else None)
    done = change(client, module, kvs, wire.delete(key, prefix, previous=True)) if kvs else None
    if done:
        revision, kvs = done.revision, done.previous(0)
    result = {"changed": bool(kvs), "revision": revision, "mod_revision": None, "value": None, "lease": 0}
    result["old_value"] = kvs[0].value if kvs and not prefix else None
    result["deleted"] = [kv.key for kv in kvs]
    return result, [diff(kv.key, shown(kv.value, kv.lease), None) for kv in kvs]


def main():
    module = create_module(OPTIONS, required_if=[("state", "present", ["value"])])
    key, present, prefix = module.params["key"], module.params["state"] == "present", module.params["prefix"]
    if not key or (prefix and (present or module.params["mod_revision"] is not None)):
        module.fail_json(msg="key must not be empty, and prefix goes with state=absent only, without mod_revision")
    if not present and module.params["lease"] is not None:
        module.fail_json(msg="lease goes with state=present only: a key that is deleted has none")
    with connect(module) as client:
        result, diffs = (put if present else delete)(client, module)
    finish(module, diffs, key=key, **result)


if __name__ == "__main__":
    main()
