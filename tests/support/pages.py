# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages for users whose examples are run, from top to bottom, in one directory and one shell.

A block with a caption is a file of that name. A block in the language `console` has commands, each after `$ `, and
below each what it prints, with `...` for what differs from run to run. A backslash at the end of a line, or `> ` at
the start of the next one, continues a command. All other blocks are not run. README.md has no captions: a comment in
the first line of a block names the file.
"""

from __future__ import annotations

import contextlib
import doctest
import os
import re
import signal
import subprocess
import textwrap
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_RST_BLOCK = re.compile(r"^\.\. code-block:: (\S+)\n((?:   \S.*\n)*)\n((?:   .*\n|\n)+)", re.MULTILINE)
_RST_CAPTION = re.compile(r"^   :caption: (\S+)$", re.MULTILINE)
_MARKDOWN_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARKDOWN_CAPTION = re.compile(r"\A# (\S+\.\w+)(?::.*)?\n")
_END = "end-of-command"
_CONTINUED = "\0"
_PATIENCE = 120.0  # seconds for one command


class Block(NamedTuple):
    """One block of code; `file` is its caption, "" for none."""

    line: int
    language: str
    file: str
    text: str


class Step(NamedTuple):
    """A command and what it prints."""

    command: str
    output: str


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page in reStructuredText or Markdown."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".md":
        for found in _MARKDOWN_BLOCK.finditer(text):
            caption = _MARKDOWN_CAPTION.match(found[2])
            yield Block(_line(text, found), found[1], caption[1] if caption else "", found[2])
        return
    for found in _RST_BLOCK.finditer(text):
        caption = _RST_CAPTION.search(found[2])
        yield Block(
            _line(text, found), found[1], caption[1] if caption else "", textwrap.dedent(found[3]).strip() + "\n"
        )


def steps_of(block: Block) -> Iterator[Step]:
    """The commands of a block in the language `console`."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = re.sub(r"\\\n\s*", "", part).replace("\n> ", _CONTINUED).partition("\n")
        yield Step(command.replace(_CONTINUED, "\n"), output)


def runs(page: Path) -> bool:
    """Whether a page has commands that are run."""
    return any(block.language == "console" for block in blocks_of(page))


class Shell:
    """A shell that keeps its variables and its directory from one command to the next. A context manager."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--norc"], cwd=directory, env=dict(environment), text=True,
            start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *exc: object) -> None:
        """End the shell, and with it what it has started in the background."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate(timeout=30)

    def run(self, command: str) -> tuple[int, str]:
        """Run a command to its end. Returns its exit status and what it printed on both streams."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{{ {command}\n}} </dev/null; printf '\\n%s %d\\n' {_END} $?\n")
        self._process.stdin.flush()
        printed: list[str] = []
        leash = threading.Timer(_PATIENCE, os.killpg, (self._process.pid, signal.SIGKILL))
        leash.start()
        try:
            for line in self._process.stdout:
                if line.startswith(f"{_END} "):
                    return int(line.split()[1]), "".join(printed).removesuffix("\n")
                printed.append(line)
        finally:
            leash.cancel()
        raise AssertionError(f"the shell has ended at: {command}\n{''.join(printed)}")


def run_page(page: Path, directory: Path, environment: Mapping[str, str], replace: Mapping[str, str]) -> int:
    """Write the files of a page and run its commands; returns how many. `replace` maps texts of the page to those used.

    Raises AssertionError if a command fails, or prints something else than the page says it does.
    """
    count = 0
    with Shell(directory, environment) as shell:
        for block in blocks_of(page):
            if block.file:
                (directory / block.file).parent.mkdir(parents=True, exist_ok=True)
                (directory / block.file).write_text(_replaced(block.text, replace), encoding="utf-8")
            if block.language != "console":
                continue
            for step in steps_of(block):
                status, printed = shell.run(_replaced(step.command, replace))
                place = f"{page.name}:{block.line}: $ {step.command}"
                assert status == 0, f"{place}\nexit status {status}:\n{printed}"
                assert _matches(_replaced(step.output, replace), printed), (
                    f"{place}\nexpected:\n{step.output}\ngot:\n{printed}"
                )
                count += 1
    return count


def _matches(expected: str, printed: str) -> bool:
    """Whether the output is as a page shows it. A page that shows none says nothing about it."""
    if not expected.strip():
        return True
    how = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected.strip(), printed.strip(), how)


def _replaced(text: str, replace: Mapping[str, str]) -> str:
    for old, new in replace.items():
        text = text.replace(old, new)
    return text


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1
