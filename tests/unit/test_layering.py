# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The import rule of ARCHITECTURE.md: arrows point down, and what runs on a node needs nothing but Python."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
COLLECTION = "ansible_collections.rollcall.discovery."

# From each layer to the ones next below it; what those may import, it may, too.
ARROWS = {
    "modules": ["_module"],
    "inventory": ["plugin_utils"],
    "lookup": ["plugin_utils"],
    "vars": ["plugin_utils"],
    "doc_fragments": ["_options"],
    "_module": ["_options", "_secrets"],
    "plugin_utils": ["_options"],
    "_options": ["_registry"],
    "_secrets": [],
    "_agent": ["_registry"],
    "_registry": ["_etcd"],
    "_etcd": [],
}
# The same inside a layer: from each room (a folder, or a file beside the folders) to the rooms next below it.
ROOMS = {
    "_agent": {
        "cli": ["commands"],
        "commands": ["registering", "rendering"],
        "registering": ["checking", "version"],
        "rendering": ["config", "host", "version"],
        "checking": ["config", "host"],
        "config": [],
        "host": [],
        "version": [],
    },
    "_registry": {
        "following": ["node_set", "registration"],
        "play_registration": ["node_set", "registration"],
        "roster": ["node_set", "registration"],
        "node_set": ["maintenance", "model"],
        "registration": ["model", "bounds"],
        "maintenance": ["reading", "strict_json", "layout"],
        "select": ["model"],
        "model": ["strict_json", "layout", "read_only"],
        "reading": ["bounds"],
        "bounds": ["validation"],
        "strict_json": ["validation"],
        "machine": ["validation"],
        "validation": ["errors"],
        "layout": ["errors"],
        "times": ["errors"],
        "read_only": [],
        "errors": [],
    },
}
# The layers that are also the package `rollcall` on a node: standard library, and each other by relative imports.
PURE = {"_agent", "_registry", "_etcd"}
# The one exception: the renderer's host has Jinja2, and only this file asks for it.
JINJA = "module_utils/_agent/rendering/templates.py"


def layer_of(parts: tuple[str, ...]) -> str:
    """The layer of a path below `plugins`, its directories and its name without suffix; "" for none."""
    name = parts[1] if parts[0] == "module_utils" and len(parts) > 1 else parts[0]
    return name if name in ARROWS else ""


def below(layer: str, arrows: dict[str, list[str]] = ARROWS) -> set[str]:
    """The layers a layer may import from, itself included. Raises RecursionError if arrows lead in a circle."""
    return {layer}.union(*(below(lower, arrows) for lower in arrows[layer]))


def imported(path: Path, root: Path) -> Iterator[tuple[int, bool, str]]:
    """Yield (line, relative?, module) for every import; a relative one as the path from `root`, dots between.

    `from X import a` says nothing of whether `a` is a module, so it counts as an import of `X.a`.
    """
    package = path.relative_to(root).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, False, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += [node.module] if node.module else []
            for alias in node.names:
                yield node.lineno, bool(node.level), ".".join([*base, alias.name])


def room_of(layer: str, parts: tuple[str, ...]) -> str:
    """The room of `layer` that a path below `plugins/module_utils` is in; "" for none, as the layer's own __init__."""
    return parts[1] if parts[0] == layer and len(parts) > 1 and parts[1] in ROOMS.get(layer, {}) else ""


def wrong_room(path: Path, root: Path, layer: str, module: str) -> str:
    """Why an import inside `layer` is not allowed, or an empty string."""
    if layer not in ROOMS:
        return ""
    own = room_of(layer, path.relative_to(root / "module_utils").with_suffix("").parts)
    if not own:
        return "" if path.name == "__init__.py" else f"no room of {layer}; give it one in {Path(__file__).name}"
    target = room_of(layer, tuple(module.split(".")[1:]))
    allowed = {"", *below(own, ROOMS[layer])}
    return "" if target in allowed else f"no arrow leads from {layer}/{own} to {layer}/{target}"


def offence(path: Path, layer: str, relative: bool, module: str) -> str:
    """Why this import is not allowed in a file of this layer, or an empty string."""
    if not relative and layer in PURE:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or (top == "jinja2" and path.as_posix().endswith(JINJA)):
            return ""
        return f"{layer} runs on a node, with relative imports and the standard library alone"
    if not relative and not module.startswith("ansible_collections."):
        return ""
    inside = module if relative else module.removeprefix(f"{COLLECTION}plugins.")
    target = "" if not relative and inside == module else layer_of(tuple(inside.split(".")))
    if not target:
        return "it is outside of the collection's layers"
    return "" if target in below(layer) else f"no arrow leads from {layer} to {target}"


def offences(root: Path) -> list[str]:
    """Every breach of the rule in the tree of plugins at `root`, as "file:line imports module: why"."""
    found = []
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        layer = layer_of(place.with_suffix("").parts)
        if not layer:
            if path.stat().st_size:  # an empty __init__.py between the layers is none of them
                found.append(f"{place}: no layer of the architecture; give it one in {Path(__file__).name}")
            continue
        for line, relative, module in imported(path, root):
            why = offence(path, layer, relative, module) or (relative and wrong_room(path, root, layer, module))
            if why:
                found.append(f"{place}:{line} imports {module}: {why}")
    return found


def test_the_collection_keeps_the_rule() -> None:
    assert offences(PLUGINS) == []


def test_no_layer_has_moved_away() -> None:
    layers = {layer_of(path.relative_to(PLUGINS).with_suffix("").parts) for path in PLUGINS.rglob("*.py")}
    assert layers >= PURE | {"_options", "_module", "plugin_utils", "modules", "lookup", "inventory"}
    assert (PLUGINS / JINJA).exists()


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("module_utils/_etcd/client.py", "import ansible"),
        ("module_utils/_etcd/client.py", "from ansible.module_utils.basic import AnsibleModule"),
        ("module_utils/_etcd/client.py", "import requests"),
        ("module_utils/_etcd/client.py", "import jinja2"),
        ("module_utils/_etcd/client.py", "from .._registry import model"),
        ("module_utils/_etcd/client.py", "from .. import _registry"),
        ("module_utils/_etcd/client.py", "from .._registry.model import Node"),
        ("module_utils/_etcd/client.py", "def late():\n    import yaml"),
        ("module_utils/_registry/model.py", "from .._agent.cli import main"),
        ("module_utils/_registry/model.py", "from .._options import CONNECTION"),
        ("module_utils/_registry/model.py", f"from {COLLECTION}plugins.module_utils._etcd.client import Client"),
        ("module_utils/_registry/model.py", "from ...plugin_utils._plugin import client"),
        ("module_utils/_agent/cli.py", "import jinja2"),
        ("module_utils/_agent/host/log.py", "from ..config import Section"),
        ("module_utils/_agent/rendering/renderer.py", "from ..registering.lease import LeaseKeeper"),
        ("module_utils/_agent/rendering/renderer.py", "def late():\n    from ..checking import checks"),
        ("module_utils/_agent/registering/agent.py", "from ..commands import register"),
        ("module_utils/_agent/new.py", "from .host import log"),
        ("module_utils/_registry/model.py", "from .node_set import NodeSet"),
        ("module_utils/_registry/following/mirror.py", "from .. import roster"),
        ("module_utils/_agent/cli.py", "from .._module import client"),
        ("module_utils/_options.py", f"from {COLLECTION}plugins.module_utils._module import client"),
        ("module_utils/_options.py", f"from {COLLECTION}plugins.module_utils import _agent"),
        ("module_utils/_module.py", f"from {COLLECTION}plugins.plugin_utils._plugin import client"),
        ("plugin_utils/_plugin.py", f"from {COLLECTION}plugins.module_utils._module import client"),
        ("modules/node.py", f"import {COLLECTION}plugins.module_utils._agent.cli"),
        ("modules/node.py", f"from {COLLECTION}plugins.plugin_utils._plugin import client"),
        ("lookup/nodes.py", f"from {COLLECTION}plugins.inventory.etcd import InventoryModule"),
        ("lookup/nodes.py", f"from {COLLECTION}tests.support import fake_etcd"),
        ("lookup/nodes.py", "from ansible_collections.community.general.plugins.module_utils import version"),
        ("module_utils/_new.py", "import os"),
        ("filter/nodes.py", "import os"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, path: str, statement: str) -> None:
    source = tmp_path / path
    source.parent.mkdir(parents=True)
    source.write_text(statement)
    (found,) = offences(tmp_path)
    assert found.startswith(path)


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("module_utils/_etcd/client.py", "import json, http.client"),
        ("module_utils/_etcd/client.py", "from . import wire"),
        ("module_utils/_etcd/client.py", "from .errors import EtcdError"),
        ("module_utils/_registry/model.py", "from .._etcd.client import Client"),
        ("module_utils/_agent/cli.py", "from .. import _registry, _etcd"),
        ("module_utils/_agent/rendering/renderer.py", "from ..host import log"),
        ("module_utils/_agent/rendering/renderer.py", "from . import view"),
        ("module_utils/_registry/following/mirror.py", "from ..layout import Layout"),
        (JINJA, "import jinja2"),
        ("module_utils/_module.py", "from ansible.module_utils.basic import AnsibleModule"),
        ("module_utils/_module.py", f"from {COLLECTION}plugins.module_utils._registry import rollcall"),
        ("module_utils/_module.py", "from ._options import CONNECTION"),
        ("modules/node.py", f"from {COLLECTION}plugins.module_utils import _module, _options"),
        ("lookup/nodes.py", f"from {COLLECTION}plugins.plugin_utils._plugin import client"),
        ("inventory/etcd.py", "from ansible.plugins.inventory import BaseInventoryPlugin"),
        ("module_utils/__init__.py", ""),
    ],
)
def test_an_import_along_the_arrows_is_not(tmp_path: Path, path: str, statement: str) -> None:
    source = tmp_path / path
    source.parent.mkdir(parents=True)
    source.write_text(statement)
    assert offences(tmp_path) == []
