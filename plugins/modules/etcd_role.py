#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_role
short_description: Say what roles may do in etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Makes sure that roles of etcd's authentication have permissions, or that the roles are not there.
  - One task takes any number of roles, for every task is a connection and a login of its own.
  - While authentication is on, O(user) needs the role C(root).
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  roles:
    description:
      - The roles, each of them once. Nothing is done before all of them are known to be possible.
      - The role C(root) may do everything and needs no permissions. It need not be named here.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the role.
        type: str
        required: true
      permissions:
        description:
          - What the role may do.
          - etcd keeps one permission for each key and each range, so a permission for the very same keys is replaced.
          - Not looked at with O(state=absent).
        type: list
        elements: dict
        default: []
        suboptions:
          key:
            description:
              - The key that the permission is for, or with O(roles[].permissions[].range_end) the first one.
              - Give either this or O(roles[].permissions[].prefix).
            type: str
          prefix:
            description:
              - What the keys that the permission is for start with. An empty text stands for all keys.
              - V(/web/web1) is a prefix of C(/web/web10/ip), too. End it in a slash to stay within a directory.
            type: str
          range_end:
            description:
              - The end of a range of keys, itself not part of it. It must come after the key.
            type: str
          permission:
            description:
              - What may be done with the keys.
            type: str
            choices:
              - read
              - write
              - readwrite
            required: true
  exact:
    description:
      - Whether the roles lose all permissions that are not given here.
    type: bool
    default: false
  state:
    description:
      - Whether the roles must be there. Who has a role that is deleted loses it.
    type: str
    choices:
      - present
      - absent
    default: present
seealso:
  - module: rollcall.discovery.etcd_user
  - module: rollcall.discovery.etcd_auth
"""

EXAMPLES = r"""
- name: Let every web server write its own keys, and read those of all
  rollcall.discovery.etcd_role:
    endpoints: https://etcd1:2379
    ca_cert: /etc/ssl/etcd-ca.pem
    user: root
    password: "{{ etcd_root_password }}"
    exact: true
    roles:
      - name: node-web1
        permissions:
          - prefix: /infrastructure/web/web1/
            permission: readwrite
          - key: /rollcall/infrastructure/roster/web/web1
            permission: readwrite
          - prefix: /infrastructure/
            permission: read
      - name: reader
        permissions:
          - prefix: /infrastructure/
            permission: read

- name: Delete a role
  rollcall.discovery.etcd_role:
    endpoints: https://etcd1:2379
    user: root
    password: "{{ etcd_root_password }}"
    roles:
      - name: node-web1
    state: absent
"""

RETURN = r"""
roles:
  description: The roles as they are now (in check mode would be), in the order in which they were given.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the role.
      returned: always
      type: str
      sample: reader
    permissions:
      description: All that the role may do, with the names of O(roles[].permissions); V(null) where it is not there.
      returned: always
      type: list
      elements: dict
      sample:
        - prefix: /infrastructure/
          permission: read
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.admin import KINDS, ROOT, Admin, Permission
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    finish,
    require_names,
)

PERMISSION = {
    "key": {"type": "str", "no_log": False},
    "prefix": {"type": "str"},
    "range_end": {"type": "str"},
    "permission": {"type": "str", "choices": list(KINDS), "required": True},
}
ROLE = {
    "name": {"type": "str", "required": True},
    "permissions": {"type": "list", "elements": "dict", "options": PERMISSION, "default": []},
}
OPTIONS = {
    "roles": {"type": "list", "elements": "dict", "options": ROLE, "required": True},
    "exact": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def by_range(permissions):
    return {permission.range: permission for permission in permissions}


def shown(permissions):
    """For people; None for a role that is not there."""
    if permissions is None:
        return None
    return {"permissions": [permission.public() for _range, permission in sorted(permissions.items())]}


def plan(admin, module):
    """All that is to be done, before any of it is: for each role its name, its permissions now and from now on."""
    known, plans = set(admin.roles()), []
    for role in module.params["roles"]:
        name = role["name"]
        old = by_range(admin.permissions_of(name)) if name in known else None
        if module.params["state"] == "present":
            permissions = wanted(module, role)
            new = permissions if module.params["exact"] else {**(old or {}), **permissions}
        else:
            new = None
            if name == ROOT and old is not None and admin.is_auth_enabled():
                module.fail_json(msg=f"While authentication is on, etcd keeps the role {ROOT}")
        plans.append((name, old, new))
    return plans


def wanted(module, role):
    permissions = by_range(map(Permission.from_options, role["permissions"]))
    for key, end in permissions:
        if end not in ("", "\0") and end <= key:  # 3.4 takes it, and lets nobody do anything with it
            module.fail_json(msg=f"The range of {role['name']} from {key} to {end} ends before it begins")
    return permissions


def change(admin, name, old, new):
    if new is None:
        admin.delete_role(name)
        return
    if old is None:
        admin.add_role(name)
    old = old or {}
    for permission in new.values():
        if old.get(permission.range) != permission:
            admin.permit(name, permission)
    for permission in old.values():
        if permission.range not in new:
            admin.forbid(name, permission)


def main():
    module = create_module(OPTIONS)
    require_names(module, "roles")
    roles, diffs = [], []
    with connect(module) as client:
        admin = Admin(client)
        for name, old, new in plan(admin, module):
            if new != old:
                diffs.append(diff(f"role {name}", shown(old), shown(new)))
                if not module.check_mode:
                    change(admin, name, old, new)
            roles.append({"name": name, **(shown(new) or {"permissions": None})})
    finish(module, diffs, changed=bool(diffs), roles=roles)


if __name__ == "__main__":
    main()
