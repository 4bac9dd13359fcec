#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_auth
short_description: Switch the authentication of etcd on or off
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Switches etcd's password authentication on or off, in a way that locks nobody out who holds the password of C(root).
  - B(From the moment it is on, whoever gives no user and password is refused.) Add the users first, with
    M(rollcall.discovery.etcd_role) and M(rollcall.discovery.etcd_user), and give their passwords to those who use etcd.
  - With V(enabled), the module warns of a version of etcd in which users or strangers get around authentication.
notes:
  - While authentication is off, etcd compares no passwords and lets nobody log in. That a password is right can
    therefore not be proved beforehand, but it can be made so. To switch authentication on, this module adds the user
    C(root) where it is not there, gives it the role C(root), sets its password to O(password), and reads back that the
    user has the role. Only then it switches authentication on, and logs in as C(root) at once.
  - So it is guaranteed that C(root) exists, has the role C(root), and has the password that was given. A wrong
    O(password) becomes the right one instead of locking you out.
  - Nobody can switch authentication off again without a login. If the login fails, which takes an etcd that cannot
    issue tokens at all, the module fails and says so. C(etcdctl --user root auth disable) with the same password is
    then the way back.
  - With C(client-cert-auth), etcd's JSON gateway refuses client certificates that carry a CN from the moment
    authentication is on, for everybody. Give out certificates without a CN first.
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
  state:
    description:
      - With V(enabled), authentication is on, and O(user) can log in with O(password).
      - With V(disabled), it is off. Users, roles and passwords stay.
      - Both need O(user) and O(password). To switch it on, O(user) must be C(root); to switch it off, any user that has
        the role C(root) will do.
    type: str
    choices:
      - enabled
      - disabled
    default: enabled
seealso:
  - module: rollcall.discovery.etcd_user
  - module: rollcall.discovery.etcd_role
"""

EXAMPLES = r"""
- name: Demand a password of everybody
  rollcall.discovery.etcd_auth:
    endpoints: https://etcd1:2379
    ca_cert: /etc/ssl/etcd-ca.pem
    user: root
    password: "{{ etcd_root_password }}"

- name: Let everybody in again
  rollcall.discovery.etcd_auth:
    endpoints: https://etcd1:2379
    ca_cert: /etc/ssl/etcd-ca.pem
    user: root
    password: "{{ etcd_root_password }}"
    state: disabled
"""

RETURN = r"""
enabled:
  description: Whether authentication is on now (in check mode would be).
  returned: success
  type: bool
  sample: true
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.admin import ROOT, Admin
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.advisories import warning
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import EtcdError
from ansible_collections.rollcall.discovery.plugins.module_utils._module import (
    connect,
    create_module,
    diff,
    finish,
    require_password,
)

OPTIONS = {"state": {"type": "str", "choices": ["enabled", "disabled"], "default": "enabled"}}


def enable(module, client, admin):
    user, password = client.settings.user, client.settings.password
    if user != ROOT:
        module.fail_json(msg=f"Authentication is off. To switch it on, log in as {ROOT}, not as {user}")
    require_password(module, ROOT, password)
    if module.check_mode:
        return
    if ROOT in admin.users():
        admin.change_password(ROOT, password)
    else:
        admin.add_user(ROOT, password)
    if ROOT not in admin.roles_of(ROOT):
        admin.give_role(ROOT, ROOT)
    if ROOT not in admin.roles_of(ROOT):
        module.fail_json(
            message_id="RC-E-AUTH", msg=f"The user {ROOT} did not get the role {ROOT}: authentication stays off"
        )
    admin.enable_auth()
    try:
        proved = client.authenticate(ROOT, password)
    except EtcdError as exc:
        module.fail_json(
            msg=f"Authentication is on, but the login as {ROOT} that should prove it failed: {exc}. {ROOT} has the "
            f"password that was given: with etcdctl --user {ROOT} auth disable you get back to where you were",
            message_id="RC-E-AUTH",
        )
    if not proved:
        module.fail_json(
            msg="etcd said that authentication is on now, and lets nobody log in: somebody switched it off",
            message_id="RC-E-AUTH",
        )


def disable(module, client, admin):
    user = client.settings.user
    if ROOT not in admin.roles_of(user):  # everybody may read that of oneself
        module.fail_json(msg=f"To switch authentication off, log in as a user that has the role {ROOT}: {user} has not")
    if not module.check_mode:
        admin.disable_auth()


def warn_of_version(module, client):
    """Authentication with a version that is known not to keep it: that is worth a warning in every run."""
    try:
        text = warning(client.status().version)
    except (EtcdError, ValueError):
        return  # what matters was done
    if text:
        module.warn(text, "RC-E-ADVISORY")


def main():
    module = create_module(OPTIONS)
    wanted = module.params["state"] == "enabled"
    with connect(module) as client:
        if not client.settings.user:
            module.fail_json(msg="user and password are required: the login of a user that has the role root")
        admin = Admin(client)
        enabled = bool(client.authenticate(client.settings.user, client.settings.password))
        if wanted and not enabled:
            enable(module, client, admin)
        elif enabled and not wanted:
            disable(module, client, admin)
        if wanted:
            warn_of_version(module, client)
    diffs = [diff("authentication", {"enabled": enabled}, {"enabled": wanted})] if wanted != enabled else []
    finish(module, diffs, changed=wanted != enabled, enabled=wanted)


if __name__ == "__main__":
    main()
