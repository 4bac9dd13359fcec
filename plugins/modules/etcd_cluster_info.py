#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_cluster_info
short_description: Report the health of an etcd cluster
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Queries all members of the cluster and all given endpoints in parallel, and reports the status of each.
  - A member that does not answer is not an error. The module reports why, and RV(healthy) is V(false). The module fails
    only if no endpoint returns the list of members.
  - If authentication is enabled and the cluster has no quorum, no one can log in to etcd, so the module fails as well.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
  - rollcall.discovery.attributes.info
options: {}
seealso:
  - module: rollcall.discovery.etcd_kv_info
"""

EXAMPLES = r"""
- name: Query the cluster
  rollcall.discovery.etcd_cluster_info:
    endpoints:
      - http://etcd1:2379
      - http://etcd2:2379
      - http://etcd3:2379
  register: cluster

- name: Continue only if every member is healthy and no alarm is raised
  ansible.builtin.assert:
    that: cluster.healthy

- name: Continue only if authentication cannot be bypassed
  ansible.builtin.assert:
    that: cluster.advisories | selectattr('breaks_authentication') | length == 0

- name: Show why members are unhealthy
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.error }}"
  loop: "{{ cluster.members | rejectattr('healthy') }}"
"""

RETURN = r"""
healthy:
  description: Whether every member is healthy and no alarm is raised.
  returned: success
  type: bool
  sample: true
cluster_id:
  description: ID of the cluster, in hexadecimal as in C(etcdctl).
  returned: success
  type: str
  sample: cdf818194e3a8c32
leader:
  description: Name of the leader, V(null) if there is no leader.
  returned: success
  type: str
  sample: etcd1
versions:
  description: The versions that the members run, without duplicates. During an upgrade there is more than one.
  returned: success
  type: list
  elements: str
  sample:
    - 3.5.16
alarms:
  description: The raised alarms, V(null) if etcd cannot list them, such as without a quorum.
  returned: success
  type: list
  elements: dict
  contains:
    member:
      description: ID of the member.
      returned: always
      type: str
      sample: 8e9e05c52164694d
    alarm:
      description: V(NOSPACE) or V(CORRUPT).
      returned: always
      type: str
      sample: NOSPACE
advisories:
  description:
    - Known vulnerabilities and defects of the versions that members run. Those that only affect authentication are
      omitted if authentication is disabled.
    - The table is part of this collection; nothing is downloaded. The module cannot see fixes that a distribution has
      backported to an older version.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The CVE, the GitHub advisory, or a name if there is neither.
      returned: always
      type: str
      sample: CVE-2026-33413
    kind:
      description: >-
        V(takeover) (authentication can be bypassed completely), V(permissions) (users can exceed their permissions),
        V(service) (etcd can be made unavailable), V(data), V(operation) or V(support) (end of life, no more fixes).
      returned: always
      type: str
      sample: takeover
    breaks_authentication:
      description: Whether users and permissions do not protect the cluster while members run such a version.
      returned: always
      type: bool
      sample: true
    who:
      description: Who can exploit it, or who is affected.
      returned: always
      type: str
      sample: anybody who reaches the client port, without a password
    text:
      description: What can happen.
      returned: always
      type: str
      sample: Full takeover of the cluster
    fixed_in:
      description: The first fixed version of each minor release.
      returned: always
      type: list
      elements: str
      sample:
        - 3.4.42
        - 3.5.28
        - 3.6.9
    members:
      description: Names of the members that run such a version.
      returned: always
      type: list
      elements: str
      sample:
        - etcd1
members:
  description: The members, in etcd's own order. Numbers are V(null) if the member did not answer.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: ID of the member, in hexadecimal as C(etcdctl member remove) expects it.
      returned: always
      type: str
      sample: 8e9e05c52164694d
    name:
      description: Name of the member, empty if it was added but has not started yet.
      returned: always
      type: str
      sample: etcd1
    peer_urls:
      description: URLs at which the other members reach it.
      returned: always
      type: list
      elements: str
      sample:
        - http://etcd1:2380
    client_urls:
      description: URLs that it advertises to clients.
      returned: always
      type: list
      elements: str
      sample:
        - http://etcd1:2379
    learner:
      description: Whether it is a learner, a member that does not vote.
      returned: always
      type: bool
      sample: false
    healthy:
      description: Whether it answers, has a leader, and serves linearizable reads.
      returned: always
      type: bool
      sample: true
    error:
      description: Why it is unhealthy, empty if it is healthy.
      returned: always
      type: str
      sample: ""
    leader:
      description: Whether it is the leader.
      returned: always
      type: bool
      sample: true
    version:
      description: The version it runs, empty if it did not answer.
      returned: always
      type: str
      sample: 3.5.16
    db_size:
      description: Size of its database on disk in bytes.
      returned: always
      type: int
      sample: 24576
    db_size_in_use:
      description: Bytes of the database that are in use. Defragmentation frees the rest.
      returned: always
      type: int
      sample: 20480
    raft_term:
      description: The Raft term, which increases with each election.
      returned: always
      type: int
      sample: 2
    raft_index:
      description: Index of the last Raft entry that it knows to be committed.
      returned: always
      type: int
      sample: 47
    raft_applied_index:
      description: Index of the last Raft entry that it has applied.
      returned: always
      type: int
      sample: 47
    raft_lag:
      description:
        - How many Raft entries it is behind the most advanced member.
        - The members do not answer at exactly the same time, so a lag of a few entries is normal during writes.
      returned: always
      type: int
      sample: 0
endpoints:
  description: The endpoints that were queried, both the given ones and those that members advertise.
  returned: success
  type: list
  elements: dict
  contains:
    endpoint:
      description: The endpoint.
      returned: always
      type: str
      sample: http://etcd1:2379
    member:
      description: ID of the member that answered, empty if there was no answer.
      returned: always
      type: str
      sample: 8e9e05c52164694d
    healthy:
      description: Whether the member behind this endpoint is healthy.
      returned: always
      type: bool
      sample: true
    error:
      description: Why it is unhealthy, empty if it is healthy.
      returned: always
      type: str
      sample: ""
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.cluster import survey
from ansible_collections.rollcall.discovery.plugins.module_utils._module import answer, connect, create_module

OPTIONS = {}  # only the connection options


def main():
    module = create_module(OPTIONS)
    with connect(module) as client:
        found = survey(client)
    answer(module, **found)


if __name__ == "__main__":
    main()
