# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the manual page and the bash completion of the command `rollcall`: `python -m tests.tools.command_docs`.

Both come from the parser of the command line, as `--help` does. A test compares the files with the parser.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.rollcall.discovery.plugins.module_utils._agent import cli

FILES = Path(__file__).parents[2] / "roles/agent/files"


def manual() -> str:
    """The manual page rollcall(1), as roff."""
    parser, commands = cli.parsers(cli.COMMANDS)
    lines = [
        ".\\\" Made from the command line's parser by tests/tools/command_docs.py.",
        '.TH ROLLCALL 1 "" "rollcall.discovery" "User commands"',
        ".SH NAME",
        f"rollcall \\- {_roff((parser.description or '').rstrip('.'))}",
        ".SH SYNOPSIS",
        ".B rollcall",
        "\\fICOMMAND\\fR [\\fIOPTION\\fR ...]",
        ".SH COMMANDS",
    ]
    for name, command in commands.items():
        lines += [f".SS rollcall {name}", _roff(command.description or "")]
        for group in command._action_groups:
            shown = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
            if shown and group.description:
                lines += [".PP", _roff(group.description)]
            for action in shown:
                lines += [".TP", _flags(action), _roff(_help(action))]
        for example in (command.epilog or "").splitlines()[1:]:
            lines += [
                ".PP",
                "Example:" if example == (command.epilog or "").splitlines()[1] else ".br",
                f"\\fB{_roff(example.strip())}\\fR",
            ]
    lines += [
        ".SH MESSAGES",
        _roff("Each error and warning ends with an id, such as [RC-E-UNREACHABLE]."),
        _roff("The troubleshooting guide of the collection has an entry for each."),
        ".SH FILES",
        *_files(
            ("/etc/rollcall/register.json", "configuration of the agent"),
            ("/etc/rollcall/render.json", "configuration of the renderer"),
            ("/run/rollcall/status.json", "status of the agent"),
            ("/run/rollcall/render.json", "status of the renderer"),
        ),
    ]
    return "\n".join(lines) + "\n"


def completion() -> str:
    """The completion for bash."""
    _parser, commands = cli.parsers(cli.COMMANDS)
    cases = "".join(f"        {name}) words='{' '.join(_words(command))}' ;;\n" for name, command in commands.items())
    values = {
        flag: action.choices
        for command in commands.values()
        for action in command._actions
        for flag in action.option_strings
        if action.choices
    }
    chosen = "".join(
        f"        {flag}) words='{' '.join(map(str, choices))}' ;;\n" for flag, choices in sorted(values.items())
    )
    return f"""# bash completion for rollcall. Made from the command line's parser by tests/tools/command_docs.py.
_rollcall() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=
    COMPREPLY=()
    case $before in
        {" | ".join(_paths(commands))})
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
{chosen}        *)
            case ${{COMP_WORDS[1]-}} in
{_indent(cases)}                *) words='{" ".join([*commands, "--help", "--version"])}' ;;
            esac
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -F _rollcall rollcall
"""


def _indent(cases: str) -> str:
    return "".join(f"        {line}\n" for line in cases.splitlines())


def _words(command: argparse.ArgumentParser) -> Iterator[str]:
    for action in command._actions:
        yield from action.option_strings or map(str, action.choices or ())


def _paths(commands: dict[str, argparse.ArgumentParser]) -> list[str]:
    """The flags whose value is a path."""
    return sorted(
        {
            flag
            for command in commands.values()
            for action in command._actions
            for flag in action.option_strings
            if action.metavar in ("FILE", "DIRECTORY")
        }
    )


def _flags(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"\\fB{'|'.join(map(str, action.choices or [action.dest]))}\\fR"
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    flags = ", ".join(f"\\fB{_roff(flag)}\\fR" for flag in action.option_strings)
    return flags if action.nargs == 0 else f"{flags} \\fI{_roff(str(value))}\\fR"


def _help(action: argparse.Action) -> str:
    return (action.help or "") % {**vars(action), "prog": "rollcall"}


def _files(*files: tuple[str, str]) -> Iterator[str]:
    for path, text in files:
        yield from (".TP", f".I {path}", text)


def _roff(text: str) -> str:
    """Text whose characters mean themselves."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main() -> None:
    """Write both files."""
    FILES.mkdir(exist_ok=True)
    (FILES / "rollcall.1").write_text(manual())
    (FILES / "rollcall.bash").write_text(completion())


if __name__ == "__main__":
    main()
