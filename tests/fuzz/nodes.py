# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of nodes: documents, addresses and checks as a hostile node would write them."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator

from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.module_utils.common.json import get_decoder, get_encoder

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Keys
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _hosts
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._clusters import Nodes
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._reader import Reader
from tests.fuzz.door import Door
from tests.support.inventory import trusted_texts

WORDS = (
    "",
    "web",
    "a/b",
    "\n",
    "{{ 1 }}",
    "\ud800",
    "__ansible_unsafe",
    "é" * 40,
    "x" * 5000,
    "all",
    "10.0.0.1",
)


def value(rng: random.Random, depth: int = 0) -> object:
    """A JSON value that is sometimes nearly right."""
    kind = rng.randrange(8 if depth < 20 else 5)
    if kind == 0:
        return rng.choice(WORDS)
    if kind == 1:
        return rng.choice((0, -1, 1, 65535, 2**63, 1e308, None, True))
    if kind in (2, 3, 4):
        return rng.choice(({}, [], "10.0.0.5", "passing", 80))
    if kind == 5:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    fields = ("v", "id", "boot", "services", "tags", "meta", "agent", "port", "status", "output", *WORDS)
    return {rng.choice(fields): value(rng, depth + 1) for _ in range(rng.randrange(6))}


def text(rng: random.Random) -> str:
    """JSON, or JSON with a piece cut out, or no JSON at all."""
    whole = json.dumps(value(rng))
    start, end = sorted((rng.randrange(len(whole) + 1), rng.randrange(len(whole) + 1)))
    return rng.choice((whole, whole, whole[:start] + whole[end:], "[" * 100_000, "\0", ""))


Leaves = Callable[[random.Random], list[tuple[str, str]]]

FIELDS_LEAVES = ("ip", "node", "health", "checks/a", "checks/\x1b", "checks/__ansible_type", "odd", "a/b/c")


def fields_keys(rng: random.Random) -> list[tuple[str, str]]:
    """Keys of one node, sometimes many; the ip is often right, so that the rest is looked at."""
    place = f"{rng.choice(('web', 'web-', 'we_b', *WORDS))}/{rng.choice(('bad', 'role_web', *WORDS))}"
    keys = [(f"{place}/{rng.choice((*FIELDS_LEAVES, *WORDS))}", text(rng)) for _ in range(rng.choice((1, 3, 6, 80)))]
    return [*keys, (f"{place}/ip", rng.choice(("10.0.0.9", "10.0.0.1", text(rng))))]


def data_centre_keys(rng: random.Random) -> list[tuple[str, str]]:
    """As `fields_keys`, below a data centre."""
    return [(f"{rng.choice(('eu', 'e-u', 'e_u', *WORDS))}/{key}", value) for key, value in fields_keys(rng)]


def json_keys(rng: random.Random) -> list[tuple[str, str]]:
    """Documents of nodes, with the fields that mean something."""
    names = ("ip", "address", "role", "type", "dc", "groups", "health", "hostname", "name", *WORDS)
    keys = []
    for _ in range(rng.choice((1, 3, 80))):
        document = {"ip": "10.0.0.9", **{rng.choice(names): value(rng) for _field in range(rng.randrange(5))}}
        keys.append((rng.choice(("bad", "bad/deeper", *WORDS)), rng.choice((json.dumps(document), text(rng)))))
    return keys


def consul_keys(rng: random.Random) -> list[tuple[str, str]]:
    """Groups and metadata, as operators write them."""
    kinds = ("groups/eu/", "metadata/eu/", "metadata/", "else/", "groups/")
    return [(rng.choice(kinds) + rng.choice(("bad", *WORDS)), text(rng)) for _ in range(rng.choice((1, 3, 80)))]


def script_keys(rng: random.Random) -> list[tuple[str, str]]:
    """Hosts, groups and variables, as operators write them; no circles of groups, which stop on purpose."""
    kinds = ("hosts/web/", "hosts/", "hostvars/bad/", "hostvars/good/", "groupvars/web/", "groups/a/", "else/")
    return [(rng.choice(kinds) + rng.choice(("bad", *WORDS)), text(rng)) for _ in range(rng.choice((1, 3, 80)))]


LAYOUTS: dict[str, tuple[Leaves, dict[str, str]]] = {
    "{role}/{name}": (fields_keys, {"web/good/ip": "10.0.0.1"}),
    "{dc}/{role}/{name}": (data_centre_keys, {"eu/web/good/ip": "10.0.0.1"}),
    "json": (json_keys, {"good": '{"ip": "10.0.0.1", "role": "web"}'}),
    "consul": (consul_keys, {"groups/eu/good": "web", "metadata/eu/good": '{"ansible_host": "10.0.0.1"}'}),
    "script": (script_keys, {"hosts/web/good": "", "hostvars/good/ansible_host": "10.0.0.1"}),
}


def inventory_of(layout: str) -> Callable[[], contextlib.AbstractContextManager[Callable[[random.Random], None]]]:
    """A door: a good node beside bad ones always gets into the inventory, and nothing of any is more than data.

    What comes out is written and read as Ansible's cache of facts does it, on which the promise rests.
    """
    make, good = LAYOUTS[layout]

    @contextlib.contextmanager
    def door() -> Iterator[Callable[[random.Random], None]]:
        options = {"layout": layout, "api": "v3", "prefix": "/nodes", "state_prefix": None, "allowed_networks": None}
        reader = Reader(
            {**options, "allow_unleased": False, "lost": False, "max_shrink": None, "trusted_variables": []}
        )
        kept = [KeyValue(f"/nodes/{key}", value, 1, 1, 1, 7) for key, value in good.items()]
        encode, decode = codec("cache_persistence")

        def attack(rng: random.Random) -> None:
            taken = {kv.key for kv in kept}
            bad = {f"/nodes/{key}": value for key, value in make(rng)}
            kvs = [KeyValue(key, value, 2, 2, 1, rng.choice((0, 8))) for key, value in bad.items() if key not in taken]
            tree = reader.assemble(Keys(5, sorted([*kept, *kvs])))
            assert len(tree.rejected) <= 90
            trees = [(reader, tree)]
            inventory = InventoryData()
            rules = _hosts.Rules(groups=reader.group_names({}))
            found = Nodes(tree.nodes, tree.rejected, [], [], trees)
            try:
                built = _hosts.build(found, inventory, lambda draft: None, rules)
            except AnsibleError:
                assert found.operated, "only what operators write may stop the inventory"
                return
            built.draft.populate(inventory)
            assert inventory.hosts["good"].vars["ansible_host"] == "10.0.0.1"
            for host in inventory.hosts.values():
                assert_plain(host.vars, encode, decode)
            for group in inventory.groups.values():
                assert_plain(group.vars, encode, decode)
            for node in tree.nodes:
                assert_plain(node.leased(), encode, decode)

        yield attack

    return door


def assert_plain(data: object, encode: Callable[[object], str], decode: Callable[[str], object]) -> None:
    """Nothing in `data` is a template, and Ansible reads back what it has written."""
    assert not list(trusted_texts(data))
    assert "__ansible" not in json.dumps(list(names_in(data)))
    assert decode(encode(data)) == data


def names_in(data: object) -> Iterator[str]:
    """Every key of every mapping in `data`."""
    if isinstance(data, dict):
        for key, inner in data.items():
            yield str(key)
            yield from names_in(inner)
    elif isinstance(data, (list, tuple)):
        for inner in data:
            yield from names_in(inner)


def codec(profile: str) -> tuple[Callable[[object], str], Callable[[str], object]]:
    """How Ansible writes and reads JSON in one of its profiles."""
    encoder, decoder = get_encoder(profile), get_decoder(profile)
    return lambda data: json.dumps(data, cls=encoder), lambda content: json.loads(content, cls=decoder)


DOORS = tuple(
    Door(f"nodes-{name}", inventory_of(layout), deadline=5.0)
    for name, layout in {
        "fields": "{role}/{name}",
        "data-centres": "{dc}/{role}/{name}",
        "json": "json",
        "consul": "consul",
        "script": "script",
    }.items()
)
