# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages that no tool builds from code: decision records, guides and README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

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
