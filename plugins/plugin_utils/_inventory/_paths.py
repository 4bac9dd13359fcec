# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expressions that only walk from a variable to a value within it: `rollcall_services.web.port | default(80)`.

Internal to the collection: no promise is made to other users of this file.

Evaluating the least expression takes Ansible half a millisecond, which at ten thousand hosts is most of the time that
an inventory takes. A mere path is walked here instead. Every other expression, and every step where Jinja might see
more than a key, raises NotAPath and is left to Jinja: there is one meaning, and a quick way to it.
"""

from __future__ import annotations

import functools
import typing as t

from jinja2 import Environment, TemplateSyntaxError, nodes

# Jinja looks for an attribute before it looks for a key: `.items` is a method of every mapping, with any keys.
_ATTRIBUTES = frozenset(dir(dict))

# Exactly these: what Ansible has tagged, as text that may be a template, is of a class of its own.
_SCALARS = frozenset({str, int, float, bool, type(None)})


class NotAPath(Exception):
    """Ask Jinja."""


def evaluate(expression: t.Any, variables: dict[str, t.Any]) -> t.Any:
    """The value that Jinja would give for the expression. Raises NotAPath."""
    path = parse(expression) if isinstance(expression, str) else None
    if path is None:
        raise NotAPath
    return path.walk(variables)


class Path(t.NamedTuple):
    """The keys to walk along, the first of them a variable, and what stands for an undefined value, if anything."""

    keys: tuple[str, ...]
    has_default: bool = False
    default: t.Any = None

    def walk(self, variables: dict[str, t.Any]) -> t.Any:
        """A copy of the value. Raises NotAPath where it is undefined without a default: Jinja has words for that."""
        variable, *keys = self.keys
        if variable not in variables:  # it may be one of Jinja's own
            raise NotAPath
        value = variables[variable]
        for key in keys:
            kind = type(value)
            if kind is not dict and value is not None:
                raise NotAPath
            if value is None or key not in value:
                if self.has_default:
                    return self.default
                raise NotAPath
            value = value[key]
        return _copied(value)


@functools.cache
def parse(expression: str) -> Path | None:
    """The path that an expression is, or None where it is anything else."""
    try:
        (output,) = Environment().parse(f"{{{{ {expression} }}}}").body
        (node,) = t.cast(nodes.Output, output).nodes
    except (TemplateSyntaxError, ValueError, AttributeError):
        return None
    match node:
        case nodes.Filter(name="default" | "d", node=inner, args=[nodes.Const(value=default)], kwargs=[]):
            return _path(inner, has_default=True, default=default)
    return _path(node)


def _path(node: t.Any, **default: t.Any) -> Path | None:
    keys: list[str] = []
    while not isinstance(node, nodes.Name):
        match node:
            case nodes.Getattr(attr=key) | nodes.Getitem(arg=nodes.Const(value=key)):
                keys.append(key)
            case _:
                return None
        if not isinstance(key, str) or key in _ATTRIBUTES or key.startswith("_"):
            return None
        node = node.node
    return Path((node.name, *reversed(keys)), **default)


def _copied(value: t.Any) -> t.Any:
    """Jinja gives copies, too: two variables must not share one list."""
    kind = type(value)
    if kind is dict:
        return {key: _copied(inner) for key, inner in value.items()}
    if kind is list:
        return [_copied(inner) for inner in value]
    if kind not in _SCALARS:
        raise NotAPath
    return value
