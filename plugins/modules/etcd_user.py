#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_user
short_description: Manage users of etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Adds, changes and deletes users of etcd's authentication, with their passwords and roles.
  - One task can manage any number of users. That is faster than a loop, since each task opens a connection and logs in.
  - If authentication is enabled, O(user) needs the role C(root).
  - etcd never returns passwords. To find out whether a user already has the given password, the module logs in with it.
    That takes about 75 ms of etcd's CPU time with its default C(bcrypt-cost), has no other effect, and works only if
    authentication is enabled.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - If a role does not exist, there is only a warning, since an earlier task may add it.
  diff_mode:
    support: full
    details:
      - Shows whether a password changes, but never the password.
  idempotent:
    support: partial
    details:
      - If authentication is disabled, etcd does not check passwords. O(update_password=always) then sets the given
        passwords in each run, which counts as a change.
options:
  users:
    description:
      - The users, each at most once. The module validates all of them before it changes the first one.
      - If O(user), which the module logs in as, is among them, it is changed last.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the user.
        type: str
        required: true
      password:
        description:
          - Password of the user, required if the user does not exist yet. It must not be empty.
          - etcd supports at most 72 bytes. The module rejects longer passwords, which etcd 3.4 would silently truncate.
          - Ignored with O(state=absent).
        type: str
      roles:
        description:
          - Roles of the user. All of them except C(root) must exist, see M(rollcall.discovery.etcd_role).
          - By default the user keeps its current roles.
        type: list
        elements: str
  update_password:
    description:
      - V(always) changes the password of users that have another one. That invalidates the tokens of the user, and the
        tokens of all users if etcd's C(auth-token) is C(jwt). Clients that store the password log in again.
      - V(on_create) sets the password only when it adds a user, and does not check the passwords of existing users.
    type: str
    choices:
      - always
      - on_create
    default: always
  exact:
    description:
      - Whether to revoke all roles of the users that are not listed.
    type: bool
    default: false
  state:
    description:
      - Whether the users must exist.
    type: str
    choices:
      - present
      - absent
    default: present
seealso:
  - module: rollcall.discovery.etcd_role
  - module: rollcall.discovery.etcd_auth
"""

EXAMPLES = r"""
- name: Add a user for each web server and load balancer
  rollcall.discovery.etcd_user:
    endpoints: https://etcd1:2379
    ca_cert: /etc/ssl/etcd-ca.pem
    user: root
    password: "{{ etcd_root_password }}"
    exact: true
    users:
      - name: web1
        password: "{{ web1_password }}"
        roles:
          - node-web1
      - name: lb1
        password: "{{ lb1_password }}"
        roles:
          - reader

- name: Delete a user
  rollcall.discovery.etcd_user:
    endpoints: https://etcd1:2379
    user: root
    password: "{{ etcd_root_password }}"
    users:
      - name: web1
    state: absent
"""

RETURN = r"""
users:
  description: The users after the task (in check mode, as they would be), in the order in which they were changed.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the user.
      returned: always
      type: str
      sample: web1
    roles:
      description: All roles of the user, V(null) if it does not exist.
      returned: always
      type: list
      elements: str
      sample:
        - node-web1
    password_changed:
      description: Whether the user's password was set (in check mode, whether it would be).
      returned: always
      type: bool
      sample: false
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.admin import ROOT, Admin
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    fail_for_missing,
    finish,
    require_names,
    require_password,
)

USER = {
    "name": {"type": "str", "required": True},
    "password": {"type": "str", "no_log": True},
    "roles": {"type": "list", "elements": "str"},
}
OPTIONS = {
    "users": {"type": "list", "elements": "dict", "options": USER, "required": True},
    "update_password": {"type": "str", "choices": ["always", "on_create"], "default": "always", "no_log": False},
    "exact": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def shown(roles, password=False):
    """The user's data for the diff; None if it does not exist."""
    return None if roles is None else {"roles": sorted(roles), **({"password": "(changed)"} if password else {})}


def plan(admin, module, users):
    """Validate all users before the first change. Returns (user, old roles, new roles, whether to set its password)."""
    known, roles, plans = set(admin.users()), {ROOT, *admin.roles()}, []
    for user in users:
        name = user["name"]
        old = admin.roles_of(name) if name in known else None
        new, password = wanted(admin, module, user, old)
        missing = sorted((new or set()) - (old or set()) - roles)
        if missing:
            fail_for_missing(
                module, f"Cannot grant roles to {name}: {', '.join(missing)} not found. Add them with etcd_role first"
            )
        if name == ROOT and ROOT in (old or ()) and ROOT not in (new or ()) and admin.is_auth_enabled():
            module.fail_json(
                msg=f"users: expected {ROOT} with the role {ROOT}, got it without. etcd requires both while "
                "authentication is enabled"
            )
        plans.append((user, old, new, password))
    return plans


def wanted(admin, module, user, old):
    """Returns the new roles of the user, and whether to set its password."""
    name, password, given = user["name"], user["password"], user["roles"]
    if module.params["state"] == "absent":
        return None, False
    if password == "" or (old is None and password is None):
        module.fail_json(
            msg=f"password of user {name}: expected a password, got {'none' if password is None else 'an empty one'}"
        )
    new = set(given or ()) if module.params["exact"] and given is not None else {*(old or ()), *(given or ())}
    keeps = password is None or module.params["update_password"] == "on_create"
    if old is not None and (keeps or admin.password_is(name, password)):
        return new, False
    require_password(module, name, password)
    return new, True


def change(admin, user, old, new, password):
    name = user["name"]
    if new is None:
        admin.delete_user(name)
        return
    if old is None:
        admin.add_user(name, user["password"])
    for role in sorted(new - (old or set())):
        admin.give_role(name, role)
    for role in sorted((old or set()) - new):
        admin.take_role(name, role)
    if password and old is not None:
        admin.change_password(name, user["password"])


def main():
    module = create_module(OPTIONS)
    require_names(module, "users")
    done, diffs = [], []
    with connect(module) as client:
        admin = Admin(client)
        users = sorted(module.params["users"], key=lambda user: user["name"] == client.settings.user)
        for user, old, new, password in plan(admin, module, users):
            name = user["name"]
            if new != old or password:
                diffs.append(diff(f"user {name}", shown(old), shown(new, password and old is not None)))
                if not module.check_mode:
                    change(admin, user, old, new, password)
            done.append({"name": name, "roles": new if new is None else sorted(new), "password_changed": password})
    finish(module, diffs, changed=bool(diffs), users=done)


if __name__ == "__main__":
    main()
