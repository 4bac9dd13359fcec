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
  - Reads one key, or all keys under a prefix, with all that etcd knows of them.
  - However many there are, all keys are read as of one revision.
notes:
  - A value or key that contains the password of the task, or another secret among its options, is an error, since
    Ansible would replace that part by asterisks. The lookup P(rollcall.discovery.etcd#lookup) has no such limit.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
  - rollcall.discovery.attributes.info
options:
  key:
    description:
      - The key to read, or with O(prefix=true) what the keys to read start with.
      - An empty O(key) with O(prefix=true) reads all of etcd.
    type: str
    required: true
  prefix:
    description:
      - Read all keys that start with O(key).
      - V(/app) is a prefix of C(/apple), too. End it in a slash to stay within a directory.
    type: bool
    default: false
  keys_only:
    description:
      - Read the keys without their values; RV(kvs[].value) is then V(null).
    type: bool
    default: false
  revision:
    description:
      - Read the keys as they were at this revision of etcd.
      - It is an error when etcd has compacted it meanwhile.
      - With V(0), the keys are read as they are now.
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

- name: Use its value, or a default where the key is not there
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

- name: Read them again as they were then, whatever has been written since
  rollcall.discovery.etcd_kv_info:
    endpoints: http://etcd1:2379
    key: /app/
    prefix: true
    revision: "{{ app.revision }}"
"""

RETURN = r"""
kvs:
  description: The keys, in the order of their names. It is empty where there are none.
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
      description: Its value, always text; V(null) with O(keys_only=true).
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
      description: How often the key was written since it was created.
      returned: always
      type: int
      sample: 3
    lease:
      description: ID of the lease that holds the key, V(0) where none does.
      returned: always
      type: int
      sample: 0
count:
  description: How many keys there are.
  returned: success
  type: int
  sample: 1
revision:
  description: The revision of etcd as of which the keys were read.
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
    if revision < 0:  # etcd takes it for now
        module.fail_json(msg=f"revision must not be negative, and is {revision}: 0 reads the keys as they are now")
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
