# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The worst rows of the table of etcd's faults, tried on real servers: the table says what they do."""

from __future__ import annotations

import base64

import pytest
from ansible.module_utils.basic import AnsibleModule

from tests.support.fixtures import programs_of
from tests.support.modules import Modules
from tests.support.real_etcd import Cluster

SERIES = ["3.4", "3.5", "3.6"]
ROOT = {"user": "root", "password": "secret"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secure(modules: Modules) -> None:
    """Enable authentication, with root and a user that may write below /node/."""
    modules.etcd_role(roles=[{"name": "node", "permissions": [{"prefix": "/node/", "permission": "readwrite"}]}])
    modules.etcd_user(users=[{"name": "node", "password": "node", "roles": ["node"]}])
    modules.etcd_kv(key="/secret", value="x")
    modules.etcd_auth(**ROOT)


def stranger_deletes_the_secret(etcd: Cluster) -> bool:
    """Whether a request without a token is carried out."""
    status, answer = etcd.members[0].post("/v3/kv/deleterange", {"key": encoded("/secret")})
    return status == 200 and answer.get("deleted") == "1"


@pytest.mark.parametrize("series", SERIES)
def test_the_table_knows_which_clusters_strangers_take_over(
    series: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text, **_more: warnings.append(text))
    with Cluster(programs_of(series)) as etcd:
        modules = Modules(capsys, endpoints=etcd.endpoints)
        assert not any(one["breaks_authentication"] for one in modules.etcd_cluster_info()["advisories"])
        secure(modules)
        told = Modules(capsys, endpoints=etcd.endpoints, **ROOT).etcd_cluster_info()["advisories"]
        etcd.members[0].post("/v3/maintenance/alarm", {"action": "ACTIVATE", "alarm": "NOSPACE"})
        taken_over = stranger_deletes_the_secret(etcd)
        assert taken_over == ("CVE-2026-33413" in [one["id"] for one in told])
        assert all(one["members"] == ["m1"] for one in told)
        assert sum("can take over the cluster" in text for text in warnings) == taken_over, warnings


@pytest.mark.parametrize("series", SERIES)
def test_the_table_knows_which_clusters_a_user_opens_by_filling(
    series: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Cluster(programs_of(series), flags=["--quota-backend-bytes=400000"]) as etcd:
        secure(Modules(capsys, endpoints=etcd.endpoints))
        told = Modules(capsys, endpoints=etcd.endpoints, **ROOT).etcd_cluster_info()["advisories"]
        assert not stranger_deletes_the_secret(etcd)
        with pytest.raises(AssertionError, match="database space exceeded"):
            for number in range(20):
                etcd.ctl("put", f"/node/{number}", "x" * 60000, user="node:node")
        opened = stranger_deletes_the_secret(etcd)
        assert opened == ("etcd-nospace-permissions" in [one["id"] for one in told])
