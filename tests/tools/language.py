# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Search what people read for phrases that hold readers up: `python -m tests.tools.language [PATH ...]`.

CONTRIBUTING.md has the rules. Each line of the output names a place, the phrase and what to write instead; the exit
status is 1 if there is any. Code counts as well: docstrings, comments, messages and names.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SCANNED = ("plugins", "roles", "playbooks", "docs", "examples", "extensions", "changelogs/fragments", "meta")
SUFFIXES = {".py", ".yml", ".md", ".rst", ".j2", ".sh", ".json"}


class Phrase(NamedTuple):
    """An expression that no text may match, and what to write instead."""

    name: str
    expression: re.Pattern[str]
    instead: str


def _phrase(name: str, expression: str, instead: str) -> Phrase:
    return Phrase(name, re.compile(expression, re.MULTILINE), instead)


PHRASES = (
    _phrase("is none", r"\b(?:[Ii]s|[Aa]re|was|has|have|had) none\b", "say what it is, such as: expected X, got Y"),
    _phrase("is told", r"\b(?:is|are|was|were|be|been) told\b", "active: warn, report, log, name"),
    _phrase("is asked for", r"\b(?:is|are|was|were|be) asked\b", "request, require"),
    _phrase("is to be", r"\b(?:is|are|was|were) to be\b", "must, or the imperative"),
    _phrase("that is for", r"\bthat (?:is|are) for\b", "for"),
    _phrase("what is not there", r"\b[Ww]hat is not there\b", "a key that does not exist"),
    _phrase("as V(", r"(?<![Ss]uch )\bas V\(", "such as V("),
    _phrase("shall", r"\b[Ss]hall\b", "must, will"),
    _phrase("whatever", r"\b[Ww]h(?:at|o)ever\b", "any, all, even if"),
    _phrase("likewise", r"\b[Ll]ikewise\b", "also, the same way"),
    _phrase("anything else that", r"\b[Aa]nything else that\b", "name the things"),
    _phrase("who has", r"\b[Ww]ho (?:has|have|had)\b", "name the person or the thing"),
    _phrase("somebody", r"\b[Ss]omebody\b", "name them: another user, another host, no one"),
    _phrase("meanwhile", r"\bmeanwhile\b(?=[.)\"':]|$)", "in the meantime, or since it was read"),
    _phrase("where it has none", r"\b[Ww]here (?:\w+ ){0,3}(?:none|nothing|no|not)\b", "if, unless, otherwise"),
    _phrase(
        "What … as a subject",
        r'(?:"""|^#+ |^ *# |[.] )(?:What|Who|Whom|Where nothing)\b(?![^.?!\n]*\?)',
        "name the thing",
    ),
    _phrase("roll call", r"\b[Rr]oll call", "the registry"),
    _phrase("sign of life", r"\b[Ss]igns? of life\b", "keepalive, watchdog notification"),
    _phrase("left out", r"\b(?:[Ll]eft|[Ll]eaves?|[Ll]eaving) (?:\w+ )?out\b", "reject (a node), omit (an option)"),
    _phrase("passed over", r"\b[Pp]assed over\b", "reject, skip"),
    _phrase("hangs on", r"\b[Hh]angs? on\b", "depends on, is attached to"),
    _phrase("puts right", r"\b[Pp]uts? right\b", "repair, correct"),
)
# A test of Jinja2, as in `when: x is none`, is code.
_JINJA_TEST = re.compile(
    r"^\s*(?:- |when: |that: |- when: |- that: )[\w.\[\]'()]+ is (?:not )?none\b|\{[{%].* is (?:not )?none\b"
)
# Names that say nothing about the thing, for classes, functions and modules.
_NAMES = re.compile(r"^\s*(?:class|def) (Found|Ended|Outcome|look|kept|wish|lean|words|play|unit)\b", re.MULTILINE)


class Finding(NamedTuple):
    """A phrase at a place."""

    path: Path
    line: int
    phrase: str
    text: str
    instead: str


def findings(path: Path, text: str) -> Iterator[Finding]:
    """Each phrase in `text`, the content of `path`."""
    lines = text.split("\n")
    for phrase in PHRASES:
        for match in phrase.expression.finditer(text):
            number = text.count("\n", 0, match.start()) + 1
            line = lines[number - 1]
            if phrase.name == "is none" and _JINJA_TEST.search(line):
                continue
            yield Finding(path, number, phrase.name, line.strip(), phrase.instead)
    for match in _NAMES.finditer(text) if path.suffix == ".py" else ():
        number = text.count("\n", 0, match.start(1)) + 1
        yield Finding(path, number, match.group(1), lines[number - 1].strip(), "a name of the thing")


def files(chosen: list[str]) -> list[Path]:
    """The files of git below the paths that were chosen, or all that people read."""
    below = chosen or [*SCANNED, *map(str, Path().glob("*.md"))]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *below], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    paths = map(Path, filter(None, listed.split("\0")))
    return [path for path in paths if path.suffix in SUFFIXES and path.name != "CHANGELOG.md" and path.is_file()]


def main(chosen: list[str]) -> int:
    """Print each finding and how many there are of each phrase."""
    found = [each for path in files(chosen) for each in findings(path, path.read_text(encoding="utf-8"))]
    for each in found:
        print(f"{each.path}:{each.line}: {each.phrase} (instead: {each.instead}): {each.text[:150]}")
    counted = Counter(each.phrase for each in found)
    print(
        f"{len(found)} phrases to rewrite" + "".join(f"\n  {count:5} {name}" for name, count in counted.most_common())
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
