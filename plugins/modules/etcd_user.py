#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_user
short_description: Add, change and delete users of etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Makes sure that users of etcd's authentication have a password and roles, or that the users are not there.
  - One task takes any number of users, for every task is a connection and a login of its own.
  - While authentication is on, O(user) needs the role C(root).
  - etcd tells nobody a password. Whether a user has the one that is given is found out by logging in with it, which
    costs what every login costs (about 75 ms of etcd's CPU with its default C(bcrypt-cost)), disturbs nobody, and works
    only while authentication is on.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
attributes:
  check_mode:
    support: full
    details:
      - There is a warning where a role is not there, for an earlier task may be to add it.
  diff_mode:
    support: full
    details:
      - Passwords are not shown, only whether they change.
  idempotent:
    support: partial
    details:
      - While authentication is off, etcd compares no passwords. Then O(update_password=always) sets those that are
        given each time it runs, which is a change.
options:
  users:
    description:
      - The users, each of them once. Nothing is done before all of them are known to be possible.
      - When the one that O(user) logs in as is among them, it is changed last.
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
          - Password of the user, required where the user is not there yet. An empty one is refused.
          - etcd takes no more than 72 bytes. Up to 3.4 it forgets the others without a word, so that is refused, too.
          - Not looked at with O(state=absent).
        type: str
      roles:
        description:
          - Roles that the user has. All but C(root) must be there, see M(rollcall.discovery.etcd_role).
          - By default the user keeps those it has.
        type: list
        elements: str
  update_password:
    description:
      - With V(always), a user that has another password than the one that is given gets this one. With that the user's
        logins end, and so do everybody's where etcd's C(auth-token) is C(jwt); who keeps a password logs in anew.
      - With V(on_create), only users that are not there yet get a password, and nobody's password is looked at.
    type: str
    choices:
      - always
      - on_create
    default: always
  exact:
    description:
      - Whether the users lose all roles that are not given here.
    type: bool
    default: false
  state:
    description:
      - Whether the users must be there.
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
- name: Give every web server a user of its own
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
  description: The users as they are now (in check mode would be), in the order in which they were changed.
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
      description: All roles of the user; V(null) where it is not there.
      returned: always
      type: list
      elements: str
      sample:
        - node-web1
    password_changed:
      description: Whether the user's password was set (in check mode would be).
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
    """For people; None for a user that is not there."""
    return None if roles is None else {"roles": sorted(roles), **({"password": "(another one)"} if password else {})}


def plan(admin, module, users):
    """What is to be done, before any of it is: each user with its roles now and from now on; does it get a password?"""
    known, roles, plans = set(admin.users()), {ROOT, *admin.roles()}, []
    for user in users:
        name = user["name"]
        old = admin.roles_of(name) if name in known else None
        new, password = wanted(admin, module, user, old)
        missing = sorted((new or set()) - (old or set()) - roles)
        if missing:
            fail_for_missing(module, f"{name} cannot get roles that are not there: {', '.join(missing)}")
        if name == ROOT and ROOT in (old or ()) and ROOT not in (new or ()) and admin.is_auth_enabled():
            module.fail_json(msg=f"While authentication is on, etcd keeps the user {ROOT} and its role {ROOT}")
        plans.append((user, old, new, password))
    return plans


def wanted(admin, module, user, old):
    """Returns the roles of the user from now on, and whether it gets a password."""
    name, password, given = user["name"], user["password"], user["roles"]
    if module.params["state"] == "absent":
        return None, False
    if password == "" or (old is None and password is None):
        module.fail_json(msg=f"The user {name} needs a password, and not an empty one")
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
