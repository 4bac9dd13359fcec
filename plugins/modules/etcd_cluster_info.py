#!/usr/bin/python

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_cluster_info
short_description: Tell the state of an etcd cluster
version_added: 0.1.0
author:
  - Rollcall contributors (@rollcall)
description:
  - Asks every member of the cluster, and every endpoint that is given, at the same time, and tells of all of them.
  - A member that does not answer is no error. It is listed with what happened, and RV(healthy) is then V(false).
    It is an error when no endpoint at all tells which members there are.
  - While authentication is on and the cluster has no quorum, etcd lets nobody log in, so that this is an error, too.
extends_documentation_fragment:
  - rollcall.discovery.etcd
  - rollcall.discovery.attributes
  - rollcall.discovery.attributes.info
options: {}
seealso:
  - module: rollcall.discovery.etcd_kv_info
"""

EXAMPLES = r"""
- name: Look at the cluster
  rollcall.discovery.etcd_cluster_info:
    endpoints:
      - http://etcd1:2379
      - http://etcd2:2379
      - http://etcd3:2379
  register: cluster

- name: Go on only where every member is well and no alarm is raised
  ansible.builtin.assert:
    that: cluster.healthy

- name: Go on only if authentication protects something
  ansible.builtin.assert:
    that: cluster.advisories | selectattr('breaks_authentication') | length == 0

- name: Tell what is wrong
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.error }}"
  loop: "{{ cluster.members | rejectattr('healthy') }}"
"""

RETURN = r"""
healthy:
  description: Whether every member is healthy, and no alarm is raised.
  returned: success
  type: bool
  sample: true
cluster_id:
  description: ID of the cluster, hexadecimal as C(etcdctl) has it.
  returned: success
  type: str
  sample: cdf818194e3a8c32
leader:
  description: Name of the member that leads, V(null) where none does.
  returned: success
  type: str
  sample: etcd1
versions:
  description: The versions that the members run, each once. More than one means that an upgrade is under way.
  returned: success
  type: list
  elements: str
  sample:
    - 3.5.16
alarms:
  description: The alarms that are raised, V(null) where etcd cannot tell, as without a quorum.
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
    - Known faults of the versions that members run. Those that matter only with authentication are listed unless it
      is off.
    - The table is part of this collection; nothing is downloaded. A fix that a distribution has added to an older
      version is not seen.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The CVE, or the advisory on GitHub, or a name for what has neither.
      returned: always
      type: str
      sample: CVE-2026-33413
    kind:
      description: >-
        V(takeover) (authentication can be got around altogether), V(permissions) (users get more than they may),
        V(service) (etcd can be stopped), V(data), V(operation) or V(support) (no fixes are published any more).
      returned: always
      type: str
      sample: takeover
    breaks_authentication:
      description: Whether users and permissions protect too little while members run such a version.
      returned: always
      type: bool
      sample: true
    who:
      description: Who can use it, or whom it affects.
      returned: always
      type: str
      sample: anybody who reaches the client port, without a password
    text:
      description: What can happen.
      returned: always
      type: str
      sample: Full takeover of the cluster
    fixed_in:
      description: The first version of each minor series without it.
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
  description: The members, in etcd's own order. Figures are V(null) of a member that did not answer.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: ID of the member, hexadecimal as C(etcdctl member remove) wants it.
      returned: always
      type: str
      sample: 8e9e05c52164694d
    name:
      description: Name of the member, empty where it was added and has not started yet.
      returned: always
      type: str
      sample: etcd1
    peer_urls:
      description: Where the other members reach it.
      returned: always
      type: list
      elements: str
      sample:
        - http://etcd1:2380
    client_urls:
      description: Where it says that clients reach it.
      returned: always
      type: list
      elements: str
      sample:
        - http://etcd1:2379
    learner:
      description: Whether it is a learner, which has no vote.
      returned: always
      type: bool
      sample: false
    healthy:
      description: Whether it answers, knows a leader, and reads through the quorum.
      returned: always
      type: bool
      sample: true
    error:
      description: Why it is not healthy, empty where it is.
      returned: always
      type: str
      sample: ""
    leader:
      description: Whether it leads.
      returned: always
      type: bool
      sample: true
    version:
      description: The version it runs, empty where it did not answer.
      returned: always
      type: str
      sample: 3.5.16
    db_size:
      description: Bytes of its database on disk.
      returned: always
      type: int
      sample: 24576
    db_size_in_use:
      description: Bytes of it that are in use. A defragmentation frees the rest.
      returned: always
      type: int
      sample: 20480
    raft_term:
      description: The term of raft, which grows with every election.
      returned: always
      type: int
      sample: 2
    raft_index:
      description: The last entry of raft that it knows to be committed.
      returned: always
      type: int
      sample: 47
    raft_applied_index:
      description: The last entry of raft that it has applied.
      returned: always
      type: int
      sample: 47
    raft_lag:
      description:
        - How many entries it has yet to apply, compared with the furthest member.
        - The members are asked one moment apart, so a few entries mean nothing in a cluster that is written to.
      returned: always
      type: int
      sample: 0
endpoints:
  description: The endpoints that were asked, those that are given and those that members advertise.
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
      description: ID of the member that answered, empty for none.
      returned: always
      type: str
      sample: 8e9e05c52164694d
    healthy:
      description: Whether what answered there is healthy.
      returned: always
      type: bool
      sample: true
    error:
      description: Why it is not, empty where it is.
      returned: always
      type: str
      sample: ""
"""

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.cluster import survey
from ansible_collections.rollcall.discovery.plugins.module_utils._module import answer, connect, create_module

OPTIONS = {}  # none but those of the connection


def main():
    module = create_module(OPTIONS)
    with connect(module) as client:
        found = survey(client)
    answer(module, **found)


if __name__ == "__main__":
    main()
