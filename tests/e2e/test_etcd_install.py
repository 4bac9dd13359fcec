# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role etcd knows what it installs: unsafe packages, archives that are not what they say, upgrades."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_etcd_role import Members
from tests.lab import Lab
from tests.support.installed import Installed, Played
from tests.tools.etcd_archive import archive_options, pack
from tests.tools.etcd_binaries import cache_dir

pytestmark = pytest.mark.e2e

UPGRADED = "v3.5.34"  # the series of Debian 13, and new enough to go on to 3.6
NEWEST = "v3.6.16"


@pytest.fixture(scope="module")
def member(lab: Lab, installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """A host of Debian 13, for a cluster of one."""
    hosts = lab.create(["member4"])
    yield Members(hosts, installed, tmp_path_factory.mktemp("member"), lab)
    lab.destroy(["member4"])


def refused(member: Members, **options: object) -> str:
    """Apply the role, which must refuse without changing anything; returns what it says on one line."""
    before = state(member)
    played = member.apply(check=False, **options)
    assert played.rc == 2
    assert played.total("changed") == 0, played.output
    assert state(member) == before
    return " ".join(played.output.split())


def state(member: Members) -> str:
    return (
        member.hosts[0]
        .exec(
            "systemctl show etcd -P MainPID; ls -l /opt/etcd /usr/local/bin /etc/default/etcd /usr/bin/etcd*",
            check=False,
        )
        .stdout
    )


def version(member: Members) -> str:
    """Of the etcd that runs."""
    return member.hosts[0].exec("/proc/$(pgrep -x etcd)/exe --version").stdout.split()[2]


def test_a_package_that_is_not_safe_is_refused_before_it_is_installed(member: Members) -> None:
    said = refused(member)
    assert "Cannot enable authentication on etcd member member4: etcd 3.5." in said
    assert "any client that reaches the client port can take over the cluster (CVE-2026-33413" in said
    assert "etcd_install: archive" in said
    assert "etcd_allow_vulnerable: true" in said
    assert member.hosts[0].exec("command -v etcd", check=False).stdout == ""


def test_an_archive_that_is_not_what_it_says_leaves_nothing_behind(member: Members, tmp_path: Path) -> None:
    archive_options(UPGRADED)
    lying = pack(cache_dir() / f"etcd-{UPGRADED}", NEWEST, tmp_path)
    checksum = f"sha256:{(tmp_path / 'SHA256SUMS').read_text().split()[0]}"
    played = member.apply(check=False, etcd_archive=str(lying), etcd_archive_checksum=checksum)
    said = " ".join(played.output.replace('\\"', '"').split())
    assert 'is named for etcd 3.6.16, but its "etcd --version" printed: etcd Version: 3.5.34' in said
    assert member.hosts[0].exec("ls -A /opt/etcd").stdout == ""
    assert member.hosts[0].exec("command -v etcd", check=False).stdout == ""


def test_a_cluster_of_the_package_is_upgraded_step_by_step_to_a_safe_one(member: Members) -> None:
    accepted = member.apply(etcd_allow_vulnerable=True)
    assert "is not safe" in " ".join(accepted.output.split())
    member.etcdctl("put /infrastructure/x kept", user="operator")
    packaged = version(member)
    assert packaged.startswith("3.5.")

    managed = member.apply()
    assert managed.total("changed") == 0
    assert "[WARNING]" in managed.output, "it is told in every run"
    step, last = archive_options(UPGRADED), archive_options(NEWEST)
    assert f"upgraded from {packaged} to 3.6.16 in one step: upgrade to 3.5.26" in refused(member, **last)
    changed = {**last, "etcd_archive_checksum": "sha256:" + "0" * 64}
    assert "not the expected sha256:0000" in refused(member, **changed)

    before = state(member)
    assert member.apply("--check", **step).total("changed") > 0
    assert state(member) == before
    for options, wanted in ((step, "3.5.34"), (last, "3.6.16")):
        again = upgraded(member, options)
        assert version(member) == wanted
    assert "[WARNING]" not in again.output
    assert "kept" in member.etcdctl("get /infrastructure/x", user="operator")

    assert "etcd cannot be downgraded from 3.6.16 to 3.5.34" in refused(member, **step)
    assert "does not go back to the package" in refused(member)
    assert member.hosts[0].exec("dpkg-query -Wf '${Status}' etcd-server").stdout == "hold ok installed"


def upgraded(member: Members, options: dict[str, object]) -> Played:
    """Apply the role twice; the second time changes nothing."""
    assert member.apply(**options).total("changed") > 0
    again = member.apply(**options)
    assert again.total("changed") == 0, again.output
    return again


def test_a_release_is_installed_and_hardened(member: Members) -> None:
    host = member.hosts[0]
    target = Path(host.exec("readlink /usr/local/bin/etcd").stdout.strip())
    assert target.parent.name.startswith("3.6.16-")
    assert "etcdutl version: 3.6.16" in host.exec("etcdutl version").stdout
    assert host.exec("systemctl show etcd -P NoNewPrivileges -P User").stdout.split() == ["etcd", "yes"]
    status = json.loads(member.etcdctl("endpoint status -w json"))
    assert status[0]["Status"]["version"] == "3.6.16"


def test_a_program_of_another_release_is_noticed_after_an_interrupted_run(member: Members) -> None:
    """The unit has changed already, and the member runs what it ran."""
    host = member.hosts[0]
    options = archive_options(NEWEST)
    directory = Path(host.exec("readlink /usr/local/bin/etcd").stdout.strip()).parent
    copy = directory.with_name("other")
    host.exec(f"cp -a {directory} {copy} && sed -i s,{directory},{copy}, /etc/systemd/system/etcd.service")
    host.exec("systemctl daemon-reload && systemctl restart etcd")
    assert member.apply(**options).total("changed") > 0
    assert host.exec("readlink /proc/$(pgrep -x etcd)/exe").stdout == f"{directory}/etcd\n"
