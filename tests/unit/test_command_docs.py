# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manual page, the completion and the command itself, without any role."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent import cli
from tests.tools import command_docs

ROOT = Path(__file__).parents[2]


def test_the_manual_page_and_the_completion_are_made_from_the_parser() -> None:
    assert (command_docs.FILES / "rollcall.1").read_text() == command_docs.manual(), (
        "python -m tests.tools.command_docs"
    )
    assert (command_docs.FILES / "rollcall.bash").read_text() == command_docs.completion()


def test_the_manual_page_has_every_command_and_option() -> None:
    page = command_docs.manual().replace("\\-", "-")
    for name, command in cli.parsers(cli.COMMANDS)[1].items():
        assert f".SS rollcall {name}" in page
        for action in command._actions:
            assert all(flag in page for flag in action.option_strings if flag not in ("-h", "--help"))


def complete(*words: str) -> list[str]:
    line = " ".join(map(shlex.quote, words))
    script = (
        f"source {command_docs.FILES}/rollcall.bash; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _rollcall; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-euc", script], stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout.split()


def test_bash_completes_commands_options_values_and_files(tmp_path: Path) -> None:
    assert complete("rollcall", "re") == ["register", "render"]
    assert complete("rollcall", "nodes", "--ser") == ["--service", "--serving"]
    assert complete("rollcall", "nodes", "--health", "p") == ["passing"]
    assert complete("rollcall", "maintenance", "o") == ["on", "off"]
    (tmp_path / "ca.crt").touch()
    assert complete("rollcall", "nodes", "--ca-cert", f"{tmp_path}/c") == [f"{tmp_path}/ca.crt"]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_example_of_the_help_is_a_valid_command_line(name: str) -> None:
    parser, commands = cli.parsers(cli.COMMANDS)
    examples = (commands[name].epilog or "").splitlines()[1:]
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" | ")[0])
        assert words[:2] == ["rollcall", name]
        parser.parse_args(words[1:])


def test_the_command_runs_from_a_checkout_and_from_an_installed_collection(tmp_path: Path) -> None:
    installed = tmp_path / "ansible_collections/rollcall/discovery"
    installed.parent.mkdir(parents=True)
    installed.symlink_to(ROOT)
    for directory in (ROOT, installed):
        done = subprocess.run(
            [sys.executable, "-B", "-m", "rollcall", "--help"],
            cwd=directory,
            capture_output=True,
            check=True,
            text=True,
        )
        assert "maintenance" in done.stdout
