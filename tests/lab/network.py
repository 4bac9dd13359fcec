# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's network: one bridge, fixed addresses, and a way out to the package mirror."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import typing as t
from pathlib import Path

from .system import LabError, boot_id, run, wait_for, write

BRIDGE = "rollcall0"
TABLE = "rollcall_lab"
SUBNET = ipaddress.IPv4Network("10.77.213.0/24")
GATEWAY = SUBNET[1]
FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
LINKS = Path("/sys/class/net")

# What the demo's inventory counts on: etcd1 is .11, web1 .21, lb1 .31. Everyone else gets the next free one.
FIXED = {"etcd": 10, "web": 20, "lb": 30}
FREE = range(100, 255)

# The mss rule keeps large packets whole where the outgoing link's MTU is below the bridge's.
RULES = f"""
table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain outbound {{
    type nat hook postrouting priority srcnat
    ip saddr {SUBNET} oifname != "{BRIDGE}" masquerade
  }}
  chain mss {{
    type filter hook forward priority mangle
    ip saddr {SUBNET} tcp flags syn tcp option maxseg size set rt mtu
    ip daddr {SUBNET} tcp flags syn tcp option maxseg size set rt mtu
  }}
}}
"""


def address(name: str, taken: t.Collection[str]) -> str:
    """Return the address of a new host *name*, given the addresses *taken* by the others.

    Raises LabError when the lab's 155 free addresses are used up.
    """
    known = re.fullmatch(r"([a-z]+)([1-9])", name)
    if known and known[1] in FIXED:
        return str(SUBNET[FIXED[known[1]] + int(known[2])])
    for number in FREE:
        if str(SUBNET[number]) not in taken:
            return str(SUBNET[number])
    raise LabError(f"no address is left in {SUBNET} for {name}: destroy some hosts")


class Network:
    """The bridge with its address, the masquerade rule and IP forwarding; *state* is the lab's folder.

    What the machine's forwarding was before is noted there, and put back when the last host goes.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.note = state / "network.json"

    def up(self) -> None:
        """Make the network, or whatever of it is missing; raises LabError where it would collide with another."""
        if not (LINKS / BRIDGE).exists():
            _require_free()
            if not self._noted():
                write(self.note, json.dumps({"boot": boot_id(), "ip_forward": FORWARD.read_text().strip()}))
            run(["ip", "link", "add", BRIDGE, "type", "bridge", "stp_state", "0", "forward_delay", "0"])
        elif not self.ours():
            raise LabError(
                f"the bridge {BRIDGE} was made by another lab ({_alias() or 'unknown'}): destroy that one first, or, "
                f"if its folder is gone, ip link del {BRIDGE}"
            )
        run(["ip", "link", "set", BRIDGE, "alias", str(self.state), "up"])
        run(["ip", "address", "replace", f"{GATEWAY}/{SUBNET.prefixlen}", "dev", BRIDGE])
        run(["nft", "-f", "-"], stdin=RULES)
        FORWARD.write_text("1")

    def down(self) -> None:
        """Take the network away and put forwarding back; nothing happens where it is not ours or not there."""
        if not self.ours():
            return
        run(["nft", "-f", "-"], stdin=f"table ip {TABLE}\ndelete table ip {TABLE}\n")
        run(["ip", "link", "del", BRIDGE], check=False)
        noted = self._noted()
        if noted:
            FORWARD.write_text(noted["ip_forward"])
        self.note.unlink(missing_ok=True)

    def ours(self) -> bool:
        """Tell whether this lab made the network: it says so in its note of this boot, or the bridge itself does."""
        return bool(self._noted()) or _alias() == str(self.state)

    def _noted(self) -> dict[str, str] | None:
        with contextlib.suppress(OSError, ValueError):
            noted = json.loads(self.note.read_text(encoding="utf-8"))
            return noted if noted["boot"] == boot_id() else None
        return None


def port(name: str) -> str:
    """Return the name of the outer end of a host's cable, as systemd-nspawn(1) gives it."""
    return f"vb-{name}"


def unplug(name: str) -> None:
    """Take the host's cable off the bridge.

    Its own end keeps carrier and address, so the host notices nothing but silence, as behind a failed switch.
    """
    run(["ip", "link", "set", port(name), "nomaster"])


def plug(name: str) -> None:
    """Put the host's cable back on the bridge."""
    run(["ip", "link", "set", port(name), "master", BRIDGE, "up"])


def plugged(name: str) -> bool:
    """Tell whether the host's cable exists and is on the bridge."""
    return (LINKS / port(name) / "master").exists()


def remove_port(name: str) -> None:
    """Return when the host's cable is gone; it normally goes by itself with the host."""
    if (LINKS / port(name)).exists():
        run(["ip", "link", "del", port(name)], check=False)
        wait_for(lambda: not (LINKS / port(name)).exists(), 10, f"{name}: its interface {port(name)} is gone")


def _alias() -> str:
    with contextlib.suppress(OSError):
        return (LINKS / BRIDGE / "ifalias").read_text(encoding="utf-8").strip()
    return ""


def _require_free() -> None:
    """Raise LabError when the lab's subnet overlaps an address or a route of this machine."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]).stdout or "[]")
    for route in routes:
        if route["dst"] == "default":
            continue
        if ipaddress.IPv4Network(route["dst"], strict=False).overlaps(SUBNET):
            raise LabError(
                f"the lab's network {SUBNET} overlaps the route {route['dst']} on {route.get('dev', 'this machine')} "
                "(ip route show table all): take that down first, or run the lab on another machine"
            )
