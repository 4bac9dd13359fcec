# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `rollcall register` keeps in etcd, seen by the Python library etcd3, which has its own way to etcd."""

from __future__ import annotations

import json

import etcd3

from tests.support.registrant import KEYS, ROSTER, wait_for


def test_etcd3_sees_the_keys_their_one_lease_and_their_end(etcd, agent):
    with etcd3.client(host="127.0.0.1", port=etcd.members[0].port) as library:
        found = {about.key.decode(): (value.decode(), about.lease_id) for value, about in library.get_prefix(KEYS)}
        [lease] = {lease for _value, lease in found.values()}
        assert {key.removeprefix(KEYS) for key in found} == {"ip", "node", "health"}
        assert found[f"{KEYS}ip"][0] == "10.0.0.5"
        assert json.loads(found[f"{KEYS}node"][0])["services"]["web"]["port"] == 8080
        about = library.get_lease_info(lease)
        assert (about.grantedTTL, {key.decode() for key in about.keys}) == (3, set(found))

        agent.wait_count("keepalives", 1)
        assert library.get_lease_info(lease).TTL > 0
        library.revoke_lease(lease)
        wait_for(lambda: library.get(f"{KEYS}ip")[0], "the agent to register again")
        assert library.get(f"{KEYS}ip")[1].lease_id not in (0, lease)
        value, about = library.get(ROSTER)
        assert (json.loads(value)["state"], about.lease_id) == ("joined", 0)
