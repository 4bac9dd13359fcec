#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_role
short_description: Manage roles and their permissions in etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Adds, changes and deletes roles of etcd's authentication, with their permissions.
  - One task can manage any number of roles. That is faster than a loop, since each task opens a connection and logs in.
  - If authentication is enabled, O(user) needs the role C(root).
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
      - The roles, each at most once. The module validates all of them before it changes the first one.
      - The role C(root) may do everything and needs no permissions. You do not have to list it.
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
          - The permissions of the role.
          - etcd stores one permission for each key or range, so a permission replaces an earlier one for exactly the
            same keys.
          - Ignored with O(state=absent).
        type: list
        elements: dict
        default: []
        suboptions:
          key:
            description:
              - The key that the permission applies to. With O(roles[].permissions[].range_end), the first key of a
                range.
              - Set either this or O(roles[].permissions[].prefix).
            type: str
          prefix:
            description:
              - Prefix of the keys that the permission applies to. An empty string means all keys.
              - V(/web/web1) is a prefix of C(/web/web10/ip) as well. End the prefix with a slash to match only the keys
                of a directory.
            type: str
          range_end:
            description:
              - The end of a range of keys, exclusive. It must be greater than the key.
            type: str
          permission:
            description:
              - The allowed kind of access.
            type: str
            choices:
              - read
              - write
              - readwrite
            required: true
  exact:
    description:
      - Whether to revoke all permissions of the roles that are not listed.
    type: bool
    default: false
  state:
    description:
      - Whether the roles must exist. If a role is deleted, etcd revokes it from all users that have it.
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
- name: Allow a web server to write its own keys and to read all nodes
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
  description: The roles after the task (in check mode, as they would be), in the order of O(roles).
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
      description: All permissions of the role, in the form of O(roles[].permissions); V(null) if it does not exist.
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
    """The role's data for the diff; None if it does not exist."""
    if permissions is None:
        return None
    return {"permissions": [permission.public() for _range, permission in sorted(permissions.items())]}


def plan(admin, module):
    """Validate all roles before the first change. Returns (name, old permissions, new permissions) of each."""
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
                module.fail_json(
                    msg=f"roles: expected roles that can be deleted, got {ROOT}. etcd does not delete it while "
                    "authentication is enabled"
                )
        plans.append((name, old, new))
    return plans


def wanted(module, role):
    permissions = by_range(map(Permission.from_options, role["permissions"]))
    for key, end in permissions:
        if end not in ("", "\0") and end <= key:  # etcd 3.4 accepts such a range, which then matches no key
            module.fail_json(msg=f"range_end of role {role['name']}: expected a key after {key}, got {end}")
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
