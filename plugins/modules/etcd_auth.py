#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_auth
short_description: Enable or disable authentication in etcd
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Enables or disables etcd's password authentication without locking out anyone who knows the password of C(root).
  - B(As soon as authentication is enabled, etcd rejects all clients without a user and password.) Add the users first,
    with M(rollcall.discovery.etcd_role) and M(rollcall.discovery.etcd_user), and configure their passwords in all
    clients.
  - With O(state=enabled), the module warns if members run a version of etcd whose authentication can be bypassed.
notes:
  - While authentication is disabled, etcd does not check passwords, so a password cannot be tested in advance. Instead,
    the module makes it valid before it enables authentication. It adds the user C(root) if necessary, grants it the
    role C(root), sets its password to O(password), and reads the role back. Only then does it enable authentication,
    and immediately logs in as C(root).
  - This guarantees that C(root) exists, has the role C(root), and has the given password. Even a mistyped O(password)
    does not lock you out, because it becomes the password of C(root).
  - Disabling authentication requires a login. If the login fails after authentication was enabled, which only happens
    if etcd cannot issue tokens at all, the module fails and says so. To recover, run C(etcdctl --user root auth
    disable) with the same password.
  - If etcd runs with C(client-cert-auth), its JSON gateway rejects all client certificates with a common name (CN) as
    soon as authentication is enabled. Deploy certificates without a CN first.
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
      - V(enabled) enables authentication and makes sure that O(user) can log in with O(password).
      - V(disabled) disables it. Users, roles and passwords remain.
      - Both require O(user) and O(password). To enable authentication, O(user) must be C(root). To disable it, any
        user with the role C(root) will do.
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
- name: Enable authentication
  rollcall.discovery.etcd_auth:
    endpoints: https://etcd1:2379
    ca_cert: /etc/ssl/etcd-ca.pem
    user: root
    password: "{{ etcd_root_password }}"

- name: Disable authentication
  rollcall.discovery.etcd_auth:
    endpoints: https://etcd1:2379
    ca_cert: /etc/ssl/etcd-ca.pem
    user: root
    password: "{{ etcd_root_password }}"
    state: disabled
"""

RETURN = r"""
enabled:
  description: Whether authentication is enabled (in check mode, whether it would be).
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
        module.fail_json(msg=f"user: expected {ROOT}, got {user}. Only {ROOT} can enable authentication")
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
            message_id="RC-E-AUTH",
            msg=f"Cannot enable authentication: etcd did not grant the role {ROOT} to the user {ROOT}. Authentication "
            "is still disabled. Check the state of the cluster, then run the task again",
        )
    admin.enable_auth()
    try:
        proved = client.authenticate(ROOT, password)
    except EtcdError as exc:
        module.fail_json(
            msg=f"Cannot log in as {ROOT} after authentication was enabled: {exc}. {ROOT} has the password of this "
            f"task. To disable authentication again, run etcdctl --user {ROOT} auth disable",
            message_id="RC-E-AUTH",
        )
    if not proved:
        module.fail_json(
            msg="Authentication is disabled again right after it was enabled: another client has disabled it. Find "
            "that client, then run the task again",
            message_id="RC-E-AUTH",
        )


def disable(module, client, admin):
    user = client.settings.user
    if ROOT not in admin.roles_of(user):  # each user may read its own roles
        module.fail_json(msg=f"user: expected a user with the role {ROOT}, got {user}, which does not have it")
    if not module.check_mode:
        admin.disable_auth()


def warn_of_version(module, client):
    """Warn in each run if members run a version whose authentication is known to be broken."""
    try:
        text = warning(client.status().version)
    except (EtcdError, ValueError):
        return  # the change itself succeeded
    if text:
        module.warn(text, "RC-E-ADVISORY")


def main():
    module = create_module(OPTIONS)
    wanted = module.params["state"] == "enabled"
    with connect(module) as client:
        if not client.settings.user:
            module.fail_json(msg="user, password: expected the login of a user with the role root, got none")
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
