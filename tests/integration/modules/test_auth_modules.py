# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_role, etcd_user and etcd_auth against etcd of every series, each with authentication of its own.

The witness is etcdctl.
"""

from __future__ import annotations

import pytest
from ansible.module_utils.basic import AnsibleModule

from tests.support.fixtures import programs_of
from tests.support.modules import Modules
from tests.support.real_etcd import Cluster

ROOT = "r00t-p4ssword"
SECRET = "w3b-p4ssword"
CHEAP = ["--bcrypt-cost=4"]  # a login in 3 ms instead of 75

ROLES = [
    {
        "name": "node-web1",
        "permissions": [
            {"prefix": "/infrastructure/web/web1/", "permission": "readwrite"},
            {"key": "/roster/web1", "permission": "write"},
            {"key": "/range/a", "range_end": "/range/c", "permission": "read"},
        ],
    },
    {"name": "reader", "permissions": [{"prefix": "", "permission": "read"}]},
]
USERS = [
    {"name": "web1", "password": SECRET, "roles": ["node-web1"]},
    {"name": "lb1", "password": SECRET, "roles": ["reader"]},
]


@pytest.fixture(scope="module", params=["3.4", "3.5", "3.6"])
def cluster_of_series(request):
    with Cluster(programs_of(request.param), flags=CHEAP) as cluster:
        yield cluster


@pytest.fixture
def etcd(cluster_of_series, capsys):
    """An etcd without users, roles and authentication."""
    yield cluster_of_series
    modules = Modules(capsys, endpoints=cluster_of_series.endpoints)
    for name in cluster_of_series.ctl("user", "list", **as_root(cluster_of_series)).split():
        if name == "root":  # it cannot go before authentication is off
            modules.etcd_auth(user="root", password=ROOT, state="disabled")
    modules.etcd_user(users=[{"name": name} for name in cluster_of_series.ctl("user", "list").split()], state="absent")
    modules.etcd_role(roles=[{"name": name} for name in cluster_of_series.ctl("role", "list").split()], state="absent")


@pytest.fixture
def modules(etcd, capsys):
    """Without a login."""
    return Modules(capsys, endpoints=etcd.endpoints)


@pytest.fixture
def as_operator(etcd, capsys):
    """With root's login, which etcd does not look at while authentication is off."""
    return Modules(capsys, endpoints=etcd.endpoints, user="root", password=ROOT)


def is_on(etcd):
    return etcd.members[0].post("/v3/kv/range", {"key": "AA=="})[0] != 200


def as_root(etcd):
    return {"user": f"root:{ROOT}"} if is_on(etcd) else {}


def users(etcd):
    """What etcdctl tells of every user: its roles."""
    answer = {}
    for name in etcd.ctl("user", "list", **as_root(etcd)).split():
        shown = etcd.ctl("user", "get", name, **as_root(etcd))
        answer[name] = sorted(shown.partition("Roles:")[2].split())
    return answer


def permissions(etcd, role):
    """What etcdctl tells of a role: a set of keys for reading, and one for writing."""
    shown = etcd.ctl("role", "get", role, **as_root(etcd)).partition("KV Read:")[2]
    return tuple({line.strip() for line in part.splitlines() if line.strip()} for part in shown.split("KV Write:"))


def test_a_cluster_gets_roles_users_and_authentication(etcd, as_operator):
    steps = [
        lambda **how: as_operator.etcd_role(roles=ROLES, diff=True, **how),
        lambda **how: as_operator.etcd_user(users=USERS, diff=True, **how),
        lambda **how: as_operator.etcd_auth(diff=True, **how),
    ]
    for step in steps:
        before = users(etcd), etcd.ctl("role", "list", **as_root(etcd)), is_on(etcd)
        would = step(check=True)
        assert before == (users(etcd), etcd.ctl("role", "list", **as_root(etcd)), is_on(etcd))
        does = step()
        assert would == does
        assert does["changed"]
        assert does["diff"]
        assert SECRET not in str(does)
    assert is_on(etcd)
    assert users(etcd) == {"root": ["root"], "web1": ["node-web1"], "lb1": ["reader"]}
    read, written = permissions(etcd, "node-web1")
    own = "[/infrastructure/web/web1/, /infrastructure/web/web10) (prefix /infrastructure/web/web1/)"
    assert (read, written) == ({own, "[/range/a, /range/c)"}, {own, "/roster/web1"})
    assert permissions(etcd, "reader") == ({"[\0, <open ended>"}, set())
    for step in steps:
        again = step()
        assert (again["changed"], again["diff"]) == (False, [])
    assert etcd.ctl("get", "", "--prefix", user=f"lb1:{SECRET}") == ""
    etcd.ctl("put", "/infrastructure/web/web1/ip", "10.0.0.1", user=f"web1:{SECRET}")
    with pytest.raises(AssertionError, match="permission denied"):
        etcd.ctl("put", "/infrastructure/web/web10/ip", "10.0.0.1", user=f"web1:{SECRET}")


def test_permissions_and_roles_are_added_or_exact(etcd, modules):
    modules.etcd_role(roles=ROLES)
    modules.etcd_user(users=USERS)
    other = [{"name": "node-web1", "permissions": [{"key": "/roster/web1", "permission": "read"}]}]
    added = modules.etcd_role(roles=other)
    assert added["changed"]
    assert len(added["roles"][0]["permissions"]) == 3
    assert permissions(etcd, "node-web1")[0] >= {"/roster/web1", "[/range/a, /range/c)"}
    assert "/roster/web1" not in permissions(etcd, "node-web1")[1]
    assert modules.etcd_role(roles=other, exact=True)["changed"]
    assert permissions(etcd, "node-web1") == ({"/roster/web1"}, set())
    assert not modules.etcd_role(roles=other, exact=True)["changed"]

    more = [{"name": "web1", "roles": ["reader"]}]
    assert modules.etcd_user(users=more)["users"][0]["roles"] == ["node-web1", "reader"]
    assert users(etcd)["web1"] == ["node-web1", "reader"]
    assert modules.etcd_user(users=more, exact=True)["changed"]
    assert users(etcd)["web1"] == ["reader"]
    assert not modules.etcd_user(users=[{"name": "web1"}], exact=True)["changed"]  # no roles given: as they are

    assert modules.etcd_role(roles=[{"name": "reader"}], state="absent")["changed"]
    assert users(etcd)["web1"] == []
    assert modules.etcd_user(users=more, state="absent", check=True)["changed"]
    assert modules.etcd_user(users=more, state="absent")["changed"]
    assert list(users(etcd)) == ["lb1"]
    assert not modules.etcd_user(users=more, state="absent")["changed"]


def test_a_password_is_changed_only_where_it_is_another(etcd, as_operator):
    as_operator.etcd_user(users=[{"name": "web1", "password": SECRET}])
    assert as_operator.etcd_user(users=[{"name": "web1", "password": SECRET}])["changed"]  # nobody can tell
    as_operator.etcd_auth()
    other = [{"name": "web1", "password": "another-p4ssword"}]
    assert not as_operator.etcd_user(users=[{"name": "web1", "password": SECRET}])["changed"]
    assert not as_operator.etcd_user(users=other, update_password="on_create")["changed"]
    assert as_operator.etcd_user(users=other, check=True)["changed"]
    etcd.ctl("get", "", "--prefix", user=f"root:{ROOT}")
    assert etcd.members[0].post("/v3/auth/authenticate", {"name": "web1", "password": SECRET})[0] == 200
    changed = as_operator.etcd_user(users=other, diff=True)
    assert changed["users"] == [{"name": "web1", "roles": [], "password_changed": True}]
    assert changed["diff"][0]["after"] == {"roles": [], "password": "(changed)"}
    assert etcd.members[0].post("/v3/auth/authenticate", {"name": "web1", "password": SECRET})[0] == 400
    assert not as_operator.etcd_user(users=other)["changed"]


def test_the_operator_may_change_its_own_password_with_others(etcd, as_operator, capsys):
    as_operator.etcd_auth()
    both = [{"name": "root", "password": "n3w-p4ssword"}, {"name": "web1", "password": SECRET}]
    result = as_operator.etcd_user(users=both)
    assert [user["name"] for user in result["users"]] == ["web1", "root"]
    etcd.ctl("user", "list", user="root:n3w-p4ssword")
    anew = Modules(capsys, endpoints=etcd.endpoints, user="root", password="n3w-p4ssword")
    assert not anew.etcd_user(users=both)["changed"]
    assert anew.etcd_user(users=[{"name": "root", "password": ROOT}])["changed"]


def test_a_wrong_password_becomes_the_right_one_instead_of_locking_out(etcd, modules, as_operator):
    modules.etcd_user(users=[{"name": "root", "password": "forgotten"}])
    assert as_operator.etcd_auth(check=True)["enabled"]
    assert not is_on(etcd)
    assert as_operator.etcd_auth()["changed"]
    assert is_on(etcd)
    assert users(etcd)["root"] == ["root"]
    wrong = modules.etcd_auth(user="root", password="forgotten")
    assert wrong["failed"]
    assert "Authenticating as root failed" in wrong["msg"]
    assert "forgotten" not in wrong["msg"]


def test_authentication_goes_on_and_off_as_told(etcd, modules, as_operator):
    assert not as_operator.etcd_auth(state="disabled")["changed"]
    assert "user: expected root, got web1" in modules.etcd_auth(user="web1", password=SECRET)["msg"]
    assert "user, password: expected the login of a user" in modules.etcd_auth()["msg"]
    as_operator.etcd_user(users=[{"name": "web1", "password": SECRET}])
    as_operator.etcd_auth()
    for check in (True, False):
        mere = modules.etcd_auth(user="web1", password=SECRET, state="disabled", check=check)
        assert "user: expected a user with the role root, got web1" in mere["msg"]
    assert modules.etcd_user(users=USERS)["failed"]
    assert is_on(etcd)
    assert as_operator.etcd_auth(state="disabled", check=True)["changed"]
    assert is_on(etcd)
    assert as_operator.etcd_auth(state="disabled")["changed"]
    assert not is_on(etcd)
    assert not as_operator.etcd_auth(state="disabled")["changed"]


def test_what_cannot_be_is_one_clear_message(etcd, modules, monkeypatch):
    for options, words in [
        ({"users": [{"name": "web9"}]}, "password of user web9: expected a password, got none"),
        ({"users": [{"name": "web9", "password": ""}]}, "password of user web9: expected a password, got an empty one"),
        ({"users": [{"name": "web9", "password": "x" * 73}]}, "password of user web9: expected at most 72 bytes"),
    ]:
        options["users"].insert(0, {"name": "web1", "password": SECRET})
        for check in (True, False):
            assert words in modules.etcd_user(check=check, **options)["msg"]
    roleless = [{"name": "web1", "password": SECRET}, {"name": "web9", "password": SECRET, "roles": ["nobody", "root"]}]
    missing = "Cannot grant roles to web9: nobody not found. Add them with etcd_role first"
    assert modules.etcd_user(users=roleless)["msg"] == f"{missing} [RC-E-MISSING]"
    warned = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, warning: warned.append(warning))
    assert modules.etcd_user(users=roleless, check=True)["changed"]  # an earlier task may be to add it
    assert warned == [f"{missing}. The task will fail unless an earlier one creates it [RC-E-MISSING]"]
    assert users(etcd) == {}  # nor is one of them there who is all right
    both, half = {"key": "/a", "prefix": "/a"}, {"range_end": "/b"}
    unclear = [
        ({}, "permissions: expected a key"),
        ({"key": ""}, "permissions: expected a key"),
        (both, "permissions: expected a key"),
        (half, "permissions: expected a key"),
    ]
    unclear += [
        ({"prefix": "/a", **half}, "permissions: expected a key"),
        ({"key": "/b", **half}, "expected a key after /b, got /b"),
    ]
    for keys, words in unclear:
        odd = {"name": "odd", "permissions": [{"permission": "read", **keys}]}
        for check in (True, False):
            assert words in modules.etcd_role(roles=[ROLES[0], odd], check=check)["msg"], keys
    assert etcd.ctl("role", "list") == ""


def test_root_stays_while_authentication_is_on(etcd, as_operator):
    as_operator.etcd_auth()
    as_operator.etcd_role(roles=[{"name": "root"}])
    web1, root = {"name": "web1", "password": SECRET}, {"name": "root"}
    for check in (True, False):
        gone = as_operator.etcd_user(users=[web1, root], state="absent", check=check)
        less = as_operator.etcd_user(users=[web1, {**root, "roles": []}], exact=True, check=check)
        none = as_operator.etcd_role(roles=[root], state="absent", check=check)
        for refused in (gone, less, none):
            assert "while authentication is enabled" in refused["msg"]
    assert users(etcd) == {"root": ["root"]}
    assert not as_operator.etcd_user(users=[{**root, "roles": ["root"]}], exact=True)["changed"]
    as_operator.etcd_auth(state="disabled")
    assert as_operator.etcd_role(roles=[root], state="absent")["changed"]
    assert as_operator.etcd_user(users=[root], state="absent")["changed"]
    assert users(etcd) == {}
