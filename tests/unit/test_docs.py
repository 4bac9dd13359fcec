# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages that no tool builds from code: decision records, guides and README."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.commands import render
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.config import ConfigError
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering import register_config
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering import render_config
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.dns_lookups import Lookups
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.expressions import Expressions
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.functions import (
    FUNCTIONS,
    OF_THE_HOST,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.keystore import KeyStore
from tests.support.pages import blocks_of

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
GUIDES = sorted((ROOT / "docs/docsite/rst").glob("*.rst"))

# The titles, date and parts of a decision record.
RECORD = re.compile(
    r"# (\d+)\. (\S.*)\n\nDate: (2\d{3}-\d\d-\d\d)\n\n## Context\n\n\S[^#]*\n\n## Decision\n\n\S[^#]*\n\n"
    r"## Consequence\n\n\S[^#]*\n"
)
HALF_A_PAGE = 30  # lines


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem[:4])
def test_decision_record_has_three_parts_on_half_a_page(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    matched = RECORD.fullmatch(text)
    assert matched, f"{record.name} does not have the form of docs/decisions/README.md"
    number, title, _ = matched.groups()
    slug = re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")
    assert record.name == f"{int(number):04}-{slug}.md"
    assert len(text.splitlines()) <= HALF_A_PAGE


def test_list_of_decisions_has_every_record() -> None:
    expected = []
    for record in RECORDS:
        matched = RECORD.fullmatch(record.read_text(encoding="utf-8"))
        assert matched
        expected.append(f"| [{matched[1]}]({record.name}) | {matched[3]} | {matched[2]} |")
    listed = [line for line in (ROOT / "docs/decisions/README.md").read_text().splitlines() if line.startswith("| [")]
    assert listed == expected
    assert len(RECORDS) == int(RECORDS[-1].name[:4]), "a number is missing"


def test_every_guide_is_in_the_table_of_contents() -> None:
    sections = yaml.safe_load((ROOT / "docs/docsite/extra-docs.yml").read_text())["sections"]
    listed = [name for section in sections for name in section["toctree"]]
    assert sorted(listed) == [guide.stem for guide in GUIDES]


@pytest.mark.parametrize(
    "page",
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("roles/*/README.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/decisions/README.md"),
    ],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_relative_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_guide_names_tests_that_exist_as_proof() -> None:
    text = (ROOT / "docs/docsite/rst/guide_comparison.rst").read_text(encoding="utf-8")
    named = set(re.findall(r"``(test_\w+)``", text))
    defined: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined.update(re.findall(r"^ *def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= defined


def test_reference_page_has_every_key_of_the_renderers_configuration(tmp_path: Path) -> None:
    """Each object of the configuration refuses an unknown key and names the known ones."""
    text = (ROOT / "docs/docsite/rst/reference_render.rst").read_text(encoding="utf-8")
    template = {"src": "/a", "dest": "/b"}
    etcd = {"endpoints": ["http://127.0.0.1:2379"]}
    for config, form in (
        ({"x": 1, "templates": [template]}, "``{}``"),
        ({"etcd": {"x": 1, **etcd}, "templates": [template]}, "``{}``"),
        ({"templates": [{"x": 1, **template}]}, "``{}``"),
        ({"timing": {"x": 1}, "templates": [template]}, "``timing.{}``"),
        ({"intervals": {"x": 1}, "templates": [template]}, "``intervals.{}``"),
    ):
        file = tmp_path / "render.json"
        file.write_text(json.dumps(config))
        with pytest.raises(ConfigError, match="known are: ") as refused:
            render_config.load(str(file))
        known = str(refused.value).partition("known are: ")[2].split(", ")
        assert [key for key in known if form.format(key) not in text] == []


def test_reference_page_has_every_function_of_templates() -> None:
    text = (ROOT / "docs/docsite/rst/reference_render.rst").read_text(encoding="utf-8")
    listed = re.findall(r"``(\w+)``", text.partition("* keys: ")[2].partition("Control characters")[0])
    of_keys = [name for name in vars(KeyStore) if not name.startswith("_")]
    assert sorted(listed) == sorted(
        [*FUNCTIONS, *OF_THE_HOST, *Lookups().functions(), *Expressions().functions(), *of_keys]
    )


def test_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_readme_lists_every_plugin_module_role_and_playbook() -> None:
    content = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Content")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`(\w+)`", content))
    for place in (
        "plugins/inventory/*.py",
        "plugins/lookup/*.py",
        "plugins/modules/*.py",
        "roles/*",
        "playbooks/*.yml",
    ):
        names = {path.stem for path in ROOT.glob(place)}
        assert names
        assert names <= listed


def test_guide_of_checks_has_every_option_and_an_example_that_the_agent_accepts(tmp_path: Path) -> None:
    guide = ROOT / "docs/docsite/rst/guide_health_checks.rst"
    specs = yaml.safe_load((ROOT / "roles/register/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    text = guide.read_text(encoding="utf-8")
    missing = [name for name in specs["options"]["register_checks"]["options"] if f"``{name}``" not in text]
    assert missing == []

    (example,) = (yaml.safe_load(block.text) for block in blocks_of(guide) if block.language == "yaml")
    lists = {key.removeprefix("register_"): value for key, value in example.items()}
    config = {key: {entry.pop("name"): entry for entry in entries} for key, entries in lists.items()}
    file = tmp_path / "register.json"
    file.write_text(json.dumps({"etcd": {"endpoints": ["http://127.0.0.1:2379"]}, "role": "web", **config}))
    assert len(register_config.load(str(file)).checks) == 5


def test_reference_page_has_every_option_of_the_command() -> None:
    text = (ROOT / "docs/docsite/rst/reference_render.rst").read_text(encoding="utf-8")
    parser = argparse.ArgumentParser(add_help=False)
    render.add_arguments(parser)
    (synopsis,) = (line for line in text.splitlines() if line.startswith("   rollcall render ["))
    assert sorted(re.findall("--[a-z-]+", synopsis)) == sorted(re.findall("--[a-z-]+", parser.format_usage()))
