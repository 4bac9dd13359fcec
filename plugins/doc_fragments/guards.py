# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the guards of an inventory, and of its options for an etcd that cannot be reached."""

from __future__ import annotations


class ModuleDocFragment:
    """``rollcall.discovery.guards`` is for inventory plugins."""

    DOCUMENTATION = r"""
options:
  allow_empty:
    description:
      - Whether an inventory without hosts is valid, because no node is registered or all of them are filtered out or
        rejected.
      - By default it is an error, since a wrong O(prefix) has the same effect.
    type: bool
    default: false
  min_hosts:
    description: With fewer hosts than this, the plugin fails instead of returning an inventory.
    type: int
    default: 0
  max_shrink:
    description:
      - The largest accepted decrease in the number of hosts since the last accepted run, as a percentage such as V(30)
        or V(30%). If more hosts are missing, the plugin fails and names some of them. New hosts make up for missing
        ones.
      - By default nothing is compared. With V(100) every decrease is accepted. As soon as the option is set, the plugin
        stores the names of the hosts in a file in O(state_dir). A run that fails does not change that file.
      - Nodes that have left according to the roster do not count as missing. Lost nodes do.
      - Runs of the same inventory file, identified by its path, are compared, even if its endpoints change. A run with
        other cluster names, O(prefix), O(layout), O(filters), O(exclude_filters) or O(hostnames) is not compared with
        earlier ones.
      - For this option the environment takes precedence over the file, so E(ANSIBLE_ROLLCALL_MAX_SHRINK=100) accepts a
        single run.
    type: str
    env:
      - name: ANSIBLE_ROLLCALL_MAX_SHRINK
    version_added: 0.2.0
  strict_nodes:
    description: Whether a rejected node is an error instead of a warning.
    type: bool
    default: false
  on_error:
    description:
      - What to do if a cluster cannot be read. With V(fail), the plugin fails and returns no host.
      - With V(use_cache), it warns and uses the last successful read of that cluster, unless that is older than
        O(max_cache_age). The same checks apply to it.
      - V(use_cache) applies if etcd is unreachable, has no quorum or does not answer in time. A wrong certificate,
        password, permission or option, or a guard, always makes the plugin fail.
    type: str
    choices: [fail, use_cache]
    default: fail
    version_added: 0.2.0
  max_cache_age:
    description:
      - Maximum age in seconds of the cached read that O(on_error=use_cache) may use.
      - Required with O(on_error=use_cache). There is no default, since only you can say for how long old addresses do
        no harm.
    type: int
    version_added: 0.2.0
  state_dir:
    description:
      - Directory for the files of O(on_error=use_cache) and O(max_shrink), which only their owner can read. The plugin
        creates it if it does not exist.
      - A directory in which other users can replace files is refused, because these files decide which hosts there are.
      - Defaults to C(rollcall) in Ansible's home directory E(ANSIBLE_HOME), such as C(~/.ansible/rollcall).
    type: path
    env:
      - name: ANSIBLE_ROLLCALL_STATE_DIR
    version_added: 0.2.0
"""
