# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of what must hold of an inventory as a whole, and of what stands for an etcd that is away."""

from __future__ import annotations


class ModuleDocFragment:
    """``rollcall.discovery.guards`` is for inventory plugins."""

    DOCUMENTATION = r"""
options:
  allow_empty:
    description:
      - Whether it is fine that there is no host, because no node is registered or every one of them is left out.
      - By default that is an error, since a wrong O(prefix) looks the same.
    type: bool
    default: false
  min_hosts:
    description: With fewer hosts than this there is an error instead of an inventory.
    type: int
    default: 0
  max_shrink:
    description:
      - How many fewer hosts than in the last run that was accepted there may be, as a percentage, V(30) or V(30%). With
        fewer there is an error instead of an inventory, which names some of those that are missing. New hosts make up
        for missing ones.
      - By default nothing is compared, and with V(100) every number is accepted. As soon as the option is given, the
        names of the hosts are kept in a file in O(state_dir). A run that is refused leaves it as it is.
      - Nodes that left on purpose, by what the roster says, do not count as missing. Lost ones do.
      - Runs of one inventory file are compared, known by its path, whatever endpoints it names. With other names of
        clusters, O(prefix), O(layout), O(filters), O(exclude_filters) or O(hostnames) there is nothing to compare with.
      - Here the environment wins over the file, so that E(ANSIBLE_ROLLCALL_MAX_SHRINK=100) accepts one run.
    type: str
    env:
      - name: ANSIBLE_ROLLCALL_MAX_SHRINK
    version_added: 0.2.0
  strict_nodes:
    description: Whether a node that must be left out is an error instead of a warning.
    type: bool
    default: false
  on_error:
    description:
      - What to do where a cluster cannot be read. V(fail) is an error and no host.
      - V(use_cache) takes the last good reading of that cluster instead, with a warning, if it is not older than
        O(max_cache_age). All the same checks are made on it.
      - That is for an etcd that is away, has no quorum or does not answer in time. A certificate, password, permission
        or option that is wrong, and guards, are always an error.
    type: str
    choices: [fail, use_cache]
    default: fail
    version_added: 0.2.0
  max_cache_age:
    description:
      - How many seconds old the reading may be that O(on_error=use_cache) takes. Without it nothing limits the harm of
        old addresses, so there is no default.
    type: int
    version_added: 0.2.0
  state_dir:
    description:
      - Directory for the files of O(on_error=use_cache) and O(max_shrink), which only their user can read. It is made
        where it is missing.
      - By default it is C(rollcall) in Ansible's own directory E(ANSIBLE_HOME), that is C(~/.ansible/rollcall).
    type: path
    env:
      - name: ANSIBLE_ROLLCALL_STATE_DIR
    version_added: 0.2.0
"""
