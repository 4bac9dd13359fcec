#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_kv_info
short_description: Read keys from etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Reads one key, or all keys under a prefix, with their revisions, versions and leases.
  - All keys are read at the same revision, regardless of their number.
notes:
  - The module fails if a key or value contains the password or another secret option of the task, since Ansible would
    replace that part with asterisks. The lookup P(rollcall.discovery.etcd#lookup) does not have this limitation.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
  - rollcall.discovery.attributes.info
options:
  key:
    description:
      - The key to read. With O(prefix=true), the prefix of the keys to read.
      - An empty O(key) with O(prefix=true) reads all keys in etcd.
    type: str
    required: true
  prefix:
    description:
      - Read all keys that start with O(key).
      - V(/app) is a prefix of C(/apple) as well. End the prefix with a slash to match only the keys of a directory.
    type: bool
    default: false
  keys_only:
    description:
      - Read the keys without their values. RV(kvs[].value) is then V(null).
    type: bool
    default: false
  revision:
    description:
      - Read the keys as of this revision of etcd.
      - The module fails if etcd has compacted this revision.
      - V(0) reads the current keys.
    type: int
    default: 0
seealso:
  - module: rollcall.discovery.etcd_kv
"""

EXAMPLES = r"""
- name: Read a key
  rollcall.discovery.etcd_kv_info:
    endpoints: http://etcd1:2379
    key: /app/colour
  register: colour

- name: Use its value, or a default if the key does not exist
  ansible.builtin.debug:
    msg: "{{ (colour.kvs | first | default({'value': 'blue'})).value }}"

- name: Read all keys of the application
  rollcall.discovery.etcd_kv_info:
    endpoints:
      - http://etcd1:2379
      - http://etcd2:2379
    key: /app/
    prefix: true
  register: app

- name: Read them again as of the same revision, regardless of later writes
  rollcall.discovery.etcd_kv_info:
    endpoints: http://etcd1:2379
    key: /app/
    prefix: true
    revision: "{{ app.revision }}"
"""

RETURN = r"""
kvs:
  description: The keys, sorted by name. The list is empty if no key exists.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      returned: always
      type: str
      sample: /app/colour
    value:
      description: Its value, always a string; V(null) with O(keys_only=true).
      returned: always
      type: str
      sample: green
    create_revision:
      description: The revision of etcd at which the key was created.
      returned: always
      type: int
      sample: 17
    mod_revision:
      description: The revision of etcd at which the key was last written.
      returned: always
      type: int
      sample: 42
    version:
      description: How many times the key has been written since it was created.
      returned: always
      type: int
      sample: 3
    lease:
      description: ID of the lease that the key is attached to, V(0) if there is no lease.
      returned: always
      type: int
      sample: 0
count:
  description: Number of keys.
  returned: success
  type: int
  sample: 1
revision:
  description: The revision of etcd at which the keys were read.
  returned: success
  type: int
  sample: 45
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._module import answer, connect, create_module

OPTIONS = {
    "key": {"type": "str", "required": True, "no_log": False},
    "prefix": {"type": "bool", "default": False},
    "keys_only": {"type": "bool", "default": False, "no_log": False},
    "revision": {"type": "int", "default": 0},
}


def main():
    module = create_module(OPTIONS)
    key, revision, keys_only = (module.params[name] for name in ("key", "revision", "keys_only"))
    if revision < 0:  # etcd would read the current keys
        module.fail_json(msg=f"revision: expected 0 (the current keys) or a revision, got {revision}")
    with connect(module) as client:
        if module.params["prefix"]:
            found = client.read_all(key, revision, keys_only)
        else:
            found = client.range(key, revision=revision, keys_only=keys_only)
    kvs = [kv._asdict() for kv in found.kvs]
    for kv in kvs:
        if keys_only:
            kv["value"] = None
    answer(module, kvs=kvs, count=len(kvs), revision=revision or found.revision)


if __name__ == "__main__":
    main()
