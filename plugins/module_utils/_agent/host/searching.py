# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Searching foreign text for a regular expression, without being held up by it.

Internal to the collection: no promise is made to other users of this file.

While Python searches, no other thread of it runs, not even that of the keepalives, and nothing can interrupt it. For
`java.*kafka.*server.*prod` a text of 4 KiB exists that takes 20 s, and any user of the host can have it as the command
line of a process. So an expression is searched for here only if no text of the same length can slow it down; otherwise
in a process of its own, which is killed at the deadline.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
import time
import typing as t

SEARCHED = 4096  # characters in which a check looks for an expression

_MOST_CHOICES = 64  # ways through an expression, for a text of any length
_MOST_STEPS = 4 * SEARCHED**2  # of a search: about 0.3 s
_STEP = 16  # steps that a way through without a repetition takes at each character
_MOST_OUTPUT = 64 << 20  # bytes of a text in which something is replaced
_CHARACTERS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_COSTLY = frozenset({"GROUPREF", "GROUPREF_EXISTS", "ASSERT", "ASSERT_NOT"})
_LOOKING_AHEAD = frozenset({"ASSERT", "ASSERT_NOT", "AT_END", "AT_END_STRING", "AT_BOUNDARY", "AT_NON_BOUNDARY"})

# A text that takes long is put off until all others have been searched: it must not hide a match in these.
_PROGRAM = """
import json, re, signal, sys
pattern, texts = json.load(sys.stdin)
class PutOff(Exception):
    pass
def put_off(*_args):
    raise PutOff
signal.signal(signal.SIGALRM, put_off)
def search(numbers, seconds):
    late = []
    for number in numbers:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            found = re.search(pattern, texts[number])
            signal.setitimer(signal.ITIMER_REAL, 0)
        except PutOff:
            late.append(number)
        else:
            if found:
                print(number)
                sys.exit()
    return late
search(search(range(len(texts)), 0.02), 0)
print(-1)
"""


# Where an expression is in one text, or that text with something in its place.
_PROGRAM_FOR_ONE = """
import json, re, sys
pattern, text, replacement = json.load(sys.stdin)
if replacement is None:
    found = re.search(pattern, text)
    print(json.dumps(found and found.span()))
else:
    print(json.dumps(re.sub(pattern, replacement, text)))
"""


class SearchFailed(Exception):
    """It was not found out whether the expression matches."""


class _Traits(t.NamedTuple):
    """The cost of an expression. `simple`: only single characters are repeated, and nothing looks back or ahead.

    `repeats` counts repetitions, `choices` the ways through without them. `final`: more text after a match does not
    undo it.
    """

    simple: bool
    repeats: int
    choices: int
    final: bool

    def quick(self, length: int) -> bool:
        """Whether no text of `length` takes long: each repetition may begin and end at each character."""
        steps = self.choices * length * (length**self.repeats if self.repeats else _STEP)
        return self.simple and self.choices <= _MOST_CHOICES and steps <= _MOST_STEPS


def first_match(pattern: t.Pattern[str], texts: t.Iterable[t.Tuple[str, str]], seconds: float) -> str:
    """Texts come with a name each: the name of the first in which `pattern` is found, "" if it is in none.

    Raises SearchFailed, also if that takes longer than `seconds`; OSError if the host has nothing left for it.
    """
    if _traits(pattern.pattern).quick(SEARCHED):
        return next((name for name, text in texts if pattern.search(text)), "")
    listed = list(texts)
    number = int(_elsewhere(_PROGRAM, [pattern.pattern, [text for _name, text in listed]], seconds))
    return listed[number][0] if number >= 0 else ""


def find(pattern: t.Pattern[str], text: str, seconds: float) -> t.Optional[str]:
    """The first match in `text`, None without a match. Raises as `first_match` does."""
    if _traits(pattern.pattern).quick(len(text)):
        found = pattern.search(text)
        return found and found[0]
    span = json.loads(_elsewhere(_PROGRAM_FOR_ONE, [pattern.pattern, text, None], seconds))
    return text[span[0] : span[1]] if span else None


def replace(pattern: t.Pattern[str], text: str, replacement: str, seconds: float) -> str:
    """`text` with each match replaced. Raises as `first_match` does; re.error or IndexError for the replacement."""
    pattern.sub(replacement, "")
    if _traits(pattern.pattern).quick(len(text)):
        return pattern.sub(replacement, text)
    return str(json.loads(_elsewhere(_PROGRAM_FOR_ONE, [pattern.pattern, text, replacement], seconds)))


def _elsewhere(program: str, given: t.Sequence[t.Any], seconds: float) -> str:
    """The output of `program`. `given` is its input, with the expression first. Raises as `first_match` does."""
    from .programs import run_program  # which most agents need not carry

    content = json.dumps(given).encode("ascii")
    argv = (sys.executable, "-I", "-S", "-c", program)
    ended = run_program(argv, max(0.0, seconds), keep=_MOST_OUTPUT, given=content)
    if not ended.ok:
        how = "takes too long" if ended.status is None and not ended.lost else f"failed: {ended.how(seconds)}"
        raise SearchFailed(f"the search for {given[0]!r} {how}")
    return ended.output


class Search:
    """For an expression in a text that grows. It takes a twentieth of the time at most."""

    def __init__(self, pattern: t.Pattern[str], deadline: float) -> None:
        self._pattern = pattern
        self._deadline = deadline
        self._over = False
        self._next = 0.0  # of time.monotonic
        self._final = _traits(pattern.pattern).final

    def found(self, text: str, complete: bool) -> bool:
        """Whether it is in the text so far. Raises as `first_match` does."""
        complete = complete or len(text) >= SEARCHED
        now = time.monotonic()
        if self._over or not (complete or (self._final and now >= self._next)):
            return False
        self._over = complete
        match = first_match(self._pattern, [("text", text[:SEARCHED])], self._deadline - now)
        self._next = time.monotonic() + 20 * (time.monotonic() - now)
        return bool(match)


@functools.lru_cache(maxsize=None)
def _traits(pattern: str) -> _Traits:
    parser: t.Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
    repeats, choices, names = [], 1, set()
    for name, value in _parts(parser, parser.parse(pattern)):
        names.add(name)
        if name in _REPEATS and value[1] > 1:
            repeats.append(value[2])
        elif name in _REPEATS:
            choices *= 2
        elif name == "BRANCH":
            choices *= len(value[1])
    single = all(len(repeated) == 1 and str(repeated[0][0]) in _CHARACTERS for repeated in repeats)
    return _Traits(single and not names & _COSTLY, len(repeats), choices, not names & _LOOKING_AHEAD)


def _parts(parser: t.Any, expression: t.Any) -> t.Iterator[t.Tuple[str, t.Any]]:
    """All parts of an expression as Python's own parser has it; an assertion about a place goes by its place."""
    for code, value in expression:
        yield str(value if str(code) == "AT" else code), value
        for below in _expressions(parser, value):
            yield from _parts(parser, below)


def _expressions(parser: t.Any, value: t.Any) -> t.Iterator[t.Any]:
    if isinstance(value, parser.SubPattern):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _expressions(parser, each)
