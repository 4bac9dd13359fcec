# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of etcd's known faults: which version has which, and whether all that shows it agrees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.commands import status
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.advisories import (
    ADVISORIES,
    Version,
    applying,
    safe_versions,
    upgrade_problem,
    warning,
)

SECURITY = Path(__file__).resolve().parents[2] / "SECURITY.md"
STRANGERS, FILLED, WATCH = "CVE-2026-33413", "etcd-nospace-permissions", "GHSA-xg4h-6gfc-h4m8"


@pytest.mark.parametrize(
    ("version", "taken_over_by_strangers", "by_filling", "by_watching", "refused"),
    [
        ("3.3.27", True, True, True, True),
        ("3.4.23", True, True, True, True),
        ("3.4.45", False, True, True, True),
        ("3.5.16", True, True, True, True),
        ("3.5.27", True, True, True, True),
        ("3.5.28", False, True, True, True),
        ("3.5.32", False, True, True, True),
        ("3.5.33", False, True, False, False),
        ("3.6.8", True, False, True, True),
        ("3.6.9", False, False, True, True),
        ("3.6.14-rc.0", False, False, True, True),
        ("3.6.14", False, False, False, False),
        ("v3.6.16", False, False, False, False),
        ("3.7.0", False, False, True, True),
        ("3.7.1", False, False, False, False),
        ("3.8.0", False, False, False, False),
        ("4.0.0", False, False, False, False),
    ],
)
def test_each_version_has_the_faults_that_its_series_did_not_mend(
    version: str, taken_over_by_strangers: bool, by_filling: bool, by_watching: bool, refused: bool
) -> None:
    ids = {advisory.id for advisory in applying(version)}
    assert (STRANGERS in ids, FILLED in ids, WATCH in ids) == (taken_over_by_strangers, by_filling, by_watching)
    assert bool(warning(version, refused_only=True)) == refused
    assert bool(warning(version)) == (refused or by_filling)
    assert (
        "any client that reaches the client port can take over the cluster" in warning(version)
    ) == taken_over_by_strangers


def test_safe_versions_follow_from_the_table() -> None:
    assert safe_versions(refused_only=True) == ["3.5.33", "3.6.14", "3.7.1"]
    assert safe_versions() == ["3.6.14", "3.7.1"]


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("3.5.0", "data-inconsistency"),
        ("3.5.2", "data-inconsistency"),
        ("3.5.14", "lease-cpu"),
        ("3.6.9", "member-list"),
    ],
)
def test_faults_of_single_versions_begin_and_end(version: str, name: str) -> None:
    (advisory,) = [one for one in ADVISORIES if one.id == f"etcd-{name}"]
    assert advisory in applying(version)
    assert advisory not in applying("3.4.23")
    assert advisory not in applying(advisory.fixed_in[0])


def test_authentication_that_is_off_cannot_be_got_around() -> None:
    off = {advisory.id for advisory in applying("3.5.16", authentication=False)}
    assert STRANGERS not in off
    assert "GHSA-6vch-q96h-7gc3" in off


@pytest.mark.parametrize("text", ["", "3.5", "3.5.x", "3.5.16\n", "3.5.16 x", "٣.5.1", "3.5.16~rc1", "9" * 5000])
def test_what_is_no_version_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version of etcd") as raised:
        Version.parse(text)
    assert len(str(raised.value)) < 100


@pytest.mark.parametrize(
    ("running", "target", "problem"),
    [
        ("3.5.34", "3.5.34", ""),
        ("3.5.26", "3.6.14", ""),
        ("3.4.23", "3.5.33", ""),
        ("3.6.16", "3.7.3", ""),
        ("3.5.16", "3.6.14", "upgrade to 3.5.26 or a later 3.5 first"),
        ("3.4.23", "3.6.14", "one minor version at a time, first to a release of 3.5"),
        ("3.5.34", "3.7.1", "one minor version at a time, first to a release of 3.6"),
        ("3.6.16", "3.6.14", "etcd cannot be downgraded from 3.6.16 to 3.6.14"),
        ("3.6.16", "4.0.0", "one minor version at a time"),
    ],
)
def test_members_go_up_one_minor_version_at_a_time(running: str, target: str, problem: str) -> None:
    said = upgrade_problem(running, target)
    assert problem in said
    assert bool(said) == bool(problem)


def test_security_md_has_the_table_and_the_floor() -> None:
    text = SECURITY.read_text()
    rows = [tuple(cell.strip() for cell in row.strip("|").split(" | ")) for row in re.findall(r"^\| .*\|$", text, re.M)]
    assert rows[1:] == [(one.id, one.who, one.text, ", ".join(one.fixed_in)) for one in ADVISORIES]
    plain = " ".join(text.split())
    assert "full takeover" in plain
    first, second, third = safe_versions(refused_only=True)
    assert f"enables authentication from {first}, {second} and {third} on" in plain


def test_the_lookup_tells_of_versions_and_upgrades() -> None:
    lookup = lookup_loader.get("rollcall.discovery.etcd_version")
    old, new = lookup.run(["3.5.16", "3.6.16"], {}, running=["3.5.34", "3.5.16"])
    assert "CVE-2026-33413" in old["refusal"]
    assert old["advisories"][0]["breaks_authentication"]
    assert (new["refusal"], new["warning"], new["advisories"]) == ("", "", [])
    assert "upgraded from 3.5.16" in new["upgrade_problem"]
    with pytest.raises(AnsibleError, match="is not a version of etcd"):
        lookup.run(["new"], {})


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"etcd_version": "3.5.16", "etcd_user": "node/web/web1"}, warning("3.5.16")),
        ({"etcd_version": "3.5.16", "etcd_user": ""}, ""),
        ({"etcd_version": "3.6.16", "etcd_user": "node/web/web1"}, ""),
        ({"etcd_version": "", "etcd_user": "node/web/web1"}, ""),
        ({}, ""),  # an agent of a former release
    ],
)
def test_rollcall_status_has_a_line_if_passwords_protect_too_little(fields: dict[str, Any], line: str) -> None:
    assert status._advisory(fields) == line
