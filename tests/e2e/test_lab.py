# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab itself: that its hosts are real, that its faults are, and that nothing of it stays behind.

The tests make hosts of their own and leave alone those that others have made: the demo's, or another test's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.lab import Host, Lab, LabError
from tests.lab.apt import mirror
from tests.lab.network import BRIDGE, LINKS, TABLE, address
from tests.lab.system import mounts, run, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]  # the first run builds the image

NAMES = ("labtest1", "labtest2")
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pair(lab: Lab) -> t.Iterator[list[Host]]:
    """Two hosts that run and are on the network; a test that takes one down brings it up again."""
    yield lab.create(NAMES)
    lab.destroy(NAMES)


@pytest.fixture
def third(lab: Lab) -> t.Iterator[str]:
    """A name for a host that lives no longer than its test."""
    yield "labtest3"
    lab.destroy(["labtest3"])


def traces(host: Host) -> dict[str, object]:
    """Whatever there is of a host on the outer machine, by kind; empty when it is gone."""
    found = {
        "processes": [
            line.decode(errors="replace")
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if os.fsencode(host.root) in (line := _read(path))
        ],
        "mounts": [point for _source, point in mounts() if point.startswith(str(host.folder))],
        "cable": (LINKS / f"vb-{host.name}").exists(),
        "cgroups": list(Path("/sys/fs/cgroup").glob(f"**/rollcall-lab/{host.name}")),
        "folder": host.folder.exists(),
    }
    return {kind: trace for kind, trace in found.items() if trace}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""


def uptime_mark(host: Host) -> str:
    """When the host's systemd had finished booting: another one after each boot."""
    return host.exec("systemctl show --property FinishTimestampMonotonic").stdout


def reaches(host: Host, other: Host) -> bool:
    return host.exec(f"ping -c 1 -W 1 {other.address}", check=False).returncode == 0


def test_hosts_are_systems_of_their_own(pair: list[Host]) -> None:
    for host in pair:
        assert host.exec("systemctl is-system-running").stdout.strip() == "running"
        assert host.exec("hostname").stdout.strip() == host.name
        assert host.exec(["getent", "hosts", host.name]).stdout.split()[0] == host.address
        assert host.exec("getent hosts localhost").returncode == 0
    for secret in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
        assert len({host.exec(f"cut -d' ' -f1,2 {secret}").stdout for host in pair}) == len(pair)


def test_hosts_reach_each_other_and_a_package_mirror(pair: list[Host]) -> None:
    one, two = pair
    assert reaches(one, two)
    assert reaches(two, one)
    assert one.exec(f"bash -c 'head -c 7 </dev/tcp/{two.address}/22'").stdout == "SSH-2.0"
    assert "Reading package lists" in one.exec("apt-get update --error-on=any").stdout


def test_a_new_host_knows_no_package_until_the_lists_are_refreshed(lab: Lab, third: str) -> None:
    (host,) = lab.create([third])
    assert host.exec("apt-cache policy hello").stdout == ""
    host.exec("apt-get update --error-on=any")
    assert "Candidate: " in host.exec("apt-cache policy hello").stdout


def test_a_failing_command_is_an_error_that_shows_its_output(pair: list[Host]) -> None:
    with pytest.raises(LabError, match=r"labtest1: `echo why >&2; exit 3` failed \(3\): why"):
        pair[0].exec("echo why >&2; exit 3")
    assert pair[0].exec(["printf", "%s", "a b; c"]).stdout == "a b; c"
    assert pair[0].exec("cat", stdin="from outside").stdout == "from outside"


def test_create_again_leaves_running_hosts_alone(lab: Lab, pair: list[Host]) -> None:
    before = [uptime_mark(host) for host in pair]
    assert lab.create(NAMES) == pair
    assert [uptime_mark(host) for host in pair] == before


def test_create_with_another_suite_is_refused(lab: Lab, pair: list[Host]) -> None:
    with pytest.raises(LabError, match="labtest1 exists, with trixie and not bookworm"):
        lab.create(["labtest1"], suite="bookworm")


@pytest.mark.parametrize("name", ["", "Web", "1web", "web_1", "web-", "thirteen-char", "../etc"])
def test_a_name_that_cannot_be_one_is_refused(lab: Lab, name: str) -> None:
    with pytest.raises(LabError, match="is no name for a host"):
        lab.create([name])


def test_a_kill_is_sudden_and_keeps_what_was_synced(pair: list[Host]) -> None:
    one, two = pair
    _notice_an_orderly_end(one)
    one.exec("echo kept >/var/tmp/kept; sync")
    one.kill()
    one.kill()
    assert not one.is_up()
    assert not reaches(two, one)
    with pytest.raises(LabError):
        one.exec("true")
    one.boot()
    assert one.exec("cat /var/tmp/kept").stdout == "kept\n"
    assert one.exec("test -e /var/tmp/orderly", check=False).returncode == 1
    assert reaches(two, one)


def test_a_stop_is_orderly(pair: list[Host]) -> None:
    one = pair[0]
    _notice_an_orderly_end(one)
    one.stop()
    one.stop()
    assert not one.is_up()
    one.boot()
    assert one.exec("test -e /var/tmp/orderly", check=False).returncode == 0


def _notice_an_orderly_end(host: Host) -> None:
    host.exec("rm -f /var/tmp/orderly")
    host.exec("systemd-run --collect --property=ExecStop='touch /var/tmp/orderly' sleep infinity")


def test_a_cut_is_silence_and_the_host_keeps_its_address(pair: list[Host]) -> None:
    one, two = pair
    seen = one.root / "var/tmp/address"
    one.exec(
        "systemd-run --unit=watch-address sh -c "
        "'while sleep 0.1; do ip -brief -4 address show host0 >/var/tmp/new; mv /var/tmp/new /var/tmp/address; done'"
    )
    wait_for(seen.exists, 10, "the host writes its address down")
    one.cut()
    one.cut()
    assert one.is_cut()
    assert not reaches(two, one)
    before = seen.stat().st_ino
    wait_for(lambda: seen.stat().st_ino != before, 10, "the host goes on while it is cut off")
    assert f"UP             {one.address}/24" in seen.read_text()
    one.rejoin()
    one.rejoin()
    wait_for(lambda: reaches(two, one), 10, "the host is back")
    one.exec("systemctl stop watch-address")


def test_a_host_that_is_off_cannot_be_cut(pair: list[Host]) -> None:
    pair[1].stop()
    with pytest.raises(LabError, match="labtest2 is not running, so it cannot be cut off: boot it first"):
        pair[1].cut()
    pair[1].boot()


def test_a_host_that_never_comes_up_says_what_its_console_said(pair: list[Host]) -> None:
    one = pair[0]
    one.exec("systemctl mask ssh.service")
    one.kill()
    one.boot(wait=False)
    with pytest.raises(LabError, match=r"(?s)labtest1 is not up 4 s after its boot.*Reached target.*Multi-User System"):
        one.wait(timeout=4)
    one.kill()
    (one.root / "etc/systemd/system/ssh.service").unlink()
    one.boot()


def test_a_host_with_a_failed_unit_is_not_taken_for_running(pair: list[Host]) -> None:
    one = pair[0]
    one.exec("systemd-run --unit=broken false", check=False)
    with pytest.raises(LabError, match=r"(?s)labtest1 is degraded:.*broken.service"):
        one.wait()
    one.exec("systemctl reset-failed broken")
    one.wait()


def test_a_host_whose_nspawn_was_killed_can_still_be_ended(pair: list[Host]) -> None:
    one = pair[0]
    nspawn = run(["pgrep", "--full", "--oldest", f"^systemd-nspawn .*--directory={one.root}( |$)"]).stdout
    os.kill(int(nspawn), signal.SIGKILL)
    assert one.is_up()
    one.kill()
    assert not one.is_up()
    one.boot()


def test_a_host_boots_after_a_reboot_of_the_machine(pair: list[Host]) -> None:
    one = pair[0]
    one.kill()
    run(["umount", one.root])  # what a reboot does to it
    one.boot()
    assert one.exec("hostname").stdout.strip() == one.name


def test_a_package_is_downloaded_once(lab: Lab, pair: list[Host], third: str) -> None:
    store = lab.place.packages("trixie")
    for package in store.glob("hello_*.deb"):
        package.unlink()
    pair[0].exec("apt-get update && apt-get clean && apt-get install --yes hello", timeout=300)
    lab.create([third])
    assert [package.name for package in store.glob("*.deb") if package.name.startswith("hello_")]
    lab.host(third).exec("apt-get update")
    assert "Need to get 0 B/" in lab.host(third).exec("apt-get install --yes hello", timeout=300).stdout


def test_destroy_leaves_nothing(lab: Lab, third: str) -> None:
    host = lab.create([third])[0]
    assert set(traces(host)) == {"processes", "mounts", "cable", "cgroups", "folder"}
    assert lab.destroy([third]) == [third]
    assert traces(host) == {}
    assert lab.destroy([third]) == []
    with pytest.raises(LabError, match="there is no host 'labtest3'"):
        lab.host(third)
    others = bool(lab.hosts())  # the network goes with the last host, whoever made it
    assert (LINKS / BRIDGE).exists() == others
    assert (f"table ip {TABLE}" in run(["nft", "list", "tables"]).stdout) == others
    assert lab.place.state.exists() == others


def test_a_create_that_was_killed_can_be_repeated_and_undone(lab: Lab, third: str) -> None:
    for _attempt in range(2):
        command = [sys.executable, "-m", "tests.lab", "create", third]
        with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL) as creating:
            wait_for((lab.place.hosts / third / "root").exists, 300, "the host is half made")
            creating.kill()
        host = lab.create([third])[0]
        assert host.exec("hostname").stdout.strip() == third
        lab.destroy([third])
        assert traces(host) == {}


# What a network does, seen in a network namespace of its own: no other lab is there, and none is harmed.
IN_A_NAMESPACE = """
import pathlib, subprocess, sys
from tests.lab.network import BRIDGE, FORWARD, LINKS, Network
from tests.lab.system import LabError, run

def seen():
    return (LINKS / BRIDGE).exists(), run(["nft", "list", "tables"]).stdout, FORWARD.read_text().strip()

state = pathlib.Path(sys.argv[1])
FORWARD.write_text("0")
run(["ip", "link", "add", "other", "type", "bridge"])
run(["ip", "link", "set", "other", "up"])
"""


def in_a_namespace(script: str, state: Path) -> str:
    shell = 'mount -t sysfs none /sys && exec "$@"'
    python = [sys.executable, "-c", IN_A_NAMESPACE + script, str(state)]
    return run(["unshare", "--net", "--mount", "sh", "-c", shell, "sh", *python], cwd=CHECKOUT).stdout


def test_a_network_comes_twice_and_goes_twice(lab: Lab, tmp_path: Path) -> None:
    script = """
before = seen()
network = Network(state)
network.up(); network.up()
assert seen() == (True, "table ip rollcall_lab\\n", "1"), seen()
network.down(); network.down()
assert seen() == before == (False, "", "0"), seen()
assert not list(state.iterdir())
print("done")
"""
    assert in_a_namespace(script, tmp_path) == "done\n"


def test_a_note_of_an_earlier_boot_of_the_machine_is_not_believed(lab: Lab, tmp_path: Path) -> None:
    script = """
(state / "network.json").write_text('{"boot": "an earlier one", "ip_forward": "1"}')
Network(state).down()
Network(state).up()
Network(state).down()
print(seen())
"""
    assert in_a_namespace(script, tmp_path) == "(False, '', '0')\n"


@pytest.mark.parametrize("other", ["10.77.213.200/28", "10.77.0.1/16", "10.77.213.9/32"])
def test_a_network_in_the_way_is_named_and_left_alone(lab: Lab, tmp_path: Path, other: str) -> None:
    script = f"""
run(["ip", "address", "add", "{other}", "dev", "other"])
before = seen()
try:
    Network(state).up()
except LabError as error:
    print(error)
assert seen() == before == (False, "", "0"), seen()
"""
    assert "the lab's network 10.77.213.0/24 overlaps the route 10.77." in in_a_namespace(script, tmp_path)


def test_another_labs_bridge_is_left_alone(lab: Lab, tmp_path: Path) -> None:
    script = """
(state / "one").mkdir()
(state / "two").mkdir()
Network(state / "one").up()
try:
    Network(state / "two").up()
except LabError as error:
    print(error)
Network(state / "two").down()
assert seen() == (True, "table ip rollcall_lab\\n", "1"), seen()
"""
    said = in_a_namespace(script, tmp_path)
    assert f"the bridge rollcall0 was made by another lab ({tmp_path}/one): destroy that one first" in said


def test_known_names_have_fixed_addresses_and_others_the_next_free_one() -> None:
    known = ["etcd1", "etcd3", "web1", "web2", "lb1"]
    assert [address(name, []) for name in known] == [f"10.77.213.{number}" for number in (11, 13, 21, 22, 31)]
    assert address("web10", []) == "10.77.213.100"
    assert address("x", ["10.77.213.100", "10.77.213.102"]) == "10.77.213.101"
    with pytest.raises(LabError, match="no address is left"):
        address("x", [f"10.77.213.{number}" for number in range(100, 255)])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "sources.list",
            "# deb http://old.example bookworm main\n"
            "deb [arch=amd64 signed-by=/k] http://one.example/debian bookworm main\n"
            "deb-src http://src.example bookworm main\n"
            "deb http://two.example/security bookworm-security main contrib\n"
            "deb http://far.example/debian bookworm-backports main\n",
        ),
        (
            "sources.list.d/debian.sources",
            "Types: deb deb-src\n# a comment inside\nURIs: http://one.example/debian\nSuites: bookworm\n"
            "Components: main\n\n"
            "Types: deb\nURIs: http://off.example\nSuites: bookworm\nEnabled: no\n\n"
            "Types: deb\nURIs: http://two.example/security\nSuites: bookworm-security\n",
        ),
    ],
)
def test_the_mirror_is_the_outer_machines(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / file).write_text(text)
    release = tmp_path / "os-release"
    release.write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    found = [(source.url, source.suffix) for source in mirror(tmp_path, release)]
    assert found == [("http://one.example/debian", ""), ("http://two.example/security", "-security")]


def test_without_a_debian_mirror_the_error_says_how_to_name_one(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text("ID=other\nVERSION_CODENAME=noble\n")
    (tmp_path / "sources.list").write_text("deb http://one.example/other noble main\n")
    with pytest.raises(LabError, match="no Debian mirror in .* set ROLLCALL_LAB_MIRROR to the URL of one"):
        mirror(tmp_path, release)
