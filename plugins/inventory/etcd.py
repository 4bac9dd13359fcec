# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: etcd
short_description: Hosts that are registered in etcd
author:
  - Rollcall contributors (@rollcall)
version_added: 0.1.0
description:
  - Makes an inventory of the nodes that are registered in etcd. A host is in it because the lease of its node is alive.
  - Everything is read at one revision of etcd, over etcd's JSON gateway; nothing but Python is needed.
  - The configuration is a file with the suffix C(.yml) or C(.yaml) in which C(plugin) is V(rollcall.discovery.etcd). It
    may be encrypted with C(ansible-vault), as a whole or in single values (C(!vault)).
  - Each host gets C(ansible_host), which is the address its node has registered and a checked IP address, and the
    variables C(rollcall_name), C(rollcall_role), C(rollcall_roles), C(rollcall_dc), C(rollcall_address),
    C(rollcall_health), C(rollcall_services), C(rollcall_tags), C(rollcall_meta), C(rollcall_checks) and
    C(rollcall_maintenance). No node can set another one.
  - Each host is in the groups C(role_<role>), C(dc_<dc>) where there are data centres, C(service_<service>) and
    C(tag_<tag>) for each of its services and tags, C(health_<status>) with C(passing), C(warning), C(critical) or
    C(drain), and in C(maintenance) while it is drained. Characters that the name of a group cannot hold become C(_).
    O(group_names) gives these groups other names.
notes:
  - Ansible only warns of an inventory source that cannot be used, goes on without it and exits with 0, so that a play
    on no host reports success. Where this plugin cannot give the whole inventory, it says why and ends the program with
    exit code 1 instead. This holds for connection errors, wrong options and the guards below, in every program that
    reads the inventory, and for C(meta=refresh_inventory) within a play.
  - A file that is not YAML, that lacks C(plugin) or has another suffix never reaches this plugin, unless its name ends
    in C(etcd.yml) or C(etcd.yaml) and C(enable_plugins) lists the plugin. With C(any_unparsed_is_failed) in the section
    C(inventory) of C(ansible.cfg) Ansible makes such mistakes fatal, too.
  - A node without a lease is rejected with a warning; see O(allow_unleased). In the trees that operators write
    (V(consul) and V(script) of O(layout)) nodes need no lease, and over O(api=v2) a TTL of the key, or of a directory
    that it is in, stands for one.
  - A node whose own data are wrong is rejected with a warning, and the others stay; see O(strict_nodes). So is one that
    has the name of a group, or shares its name with another machine, and one with more than 64 keys, more than 4 KiB in
    one of them or more than 16 KiB in all.
  - Of two nodes with one address the one that was registered first keeps it, and the other is rejected with a warning,
    for a play on it would go to the first. One host under several roles is one node. Nodes of different clusters that
    share an address both stay, with a warning.
  - Of two roles, or two data centres, that make the same group, the one that was registered first makes it, and the
    other makes none, with a warning. Of two services or tags it is the one with more hosts; nor does one of them take
    the group of a role, a data centre or a state. In trees that operators write, two roles or data centres that make
    one group are an error.
  - Nodes describe themselves, so a group says what a node claims to be. Do not hang secrets on membership unless
    etcd's authentication is on and each node can write its own keys only.
  - A host that an earlier inventory source has, too, gets the groups and the C(rollcall_) variables as well. But an
    C(ansible_host) that the host has from there stays, even if its node says otherwise, since passwords beside it are
    for that address. A difference between the two is a warning. If the other source is right, put it after the file of
    this plugin; if etcd is right, remove C(ansible_host) there. Trees that operators write, O(layout=consul) and
    O(layout=script), are a source like every other.
  - C(ansible-inventory --list) prints text of ASCII letters, digits, blanks and C(._-:/@,+=) as plain JSON. Text with
    any other character is the value of a key C(__ansible_unsafe), so that a program that reads the output, such as AWX,
    does not take it for a template either. C(--host), C(--yaml) and C(--toml) print all text plainly.
  - Text from etcd is never a template, and what an expression takes from C(rollcall_meta) stays text. Give each of
    O(keyed_groups) a O(keyed_groups[].prefix), so that no node can choose the whole name of a group, and let no node
    choose the whole of a O(keyed_groups[].parent_group).
  - Where the value of O(keyed_groups[].key) is a number or a truth value, the group has its text as name, V(env_5). A
    host whose value holds lists or mappings within each other is skipped with a warning, and with O(strict=true)
    an error. Of groups that would be within each other in a circle, one is not put into the other, with a warning.
  - Expressions know C(inventory_hostname), C(inventory_hostname_short), C(group_names) with the groups that the host
    has until then, and what O(compose) has set before them.
  - Variables of plays are not known to an inventory. Templates in its options may use extra variables (C(-e)) and
    C(inventory_dir), the directory of the file.
extends_documentation_fragment:
  - rollcall.discovery.etcd.plugins
  - rollcall.discovery.registry.plugins
  - rollcall.discovery.reading.plugins
  - rollcall.discovery.guards
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [rollcall.discovery.etcd]
  layout:
    description:
      - The form of the keys under O(prefix). The first two are the layouts of this collection; the others read trees
        that people already have. This option describes how each reads a tree; all else is the same for every layout,
        but only the layouts of this collection know maintenance.
      - "V({role}/{name}) and V({dc}/{role}/{name}): C(web/web1/ip), and beside it C(node), C(health) and C(checks/), as
        C(rollcall register), M(rollcall.discovery.node) or C(etcdctl put --lease) write them."
      - "V(json): one key C(web1) for each host, with a JSON object that its node writes. The field C(ip) (or
        C(address)) is needed. C(hostname) (or C(name)) is the name if it differs from that of the key, C(role) (or
        C(type)) the role, C(dc) (or C(datacenter)) the data centre, C(health) the health, and C(groups), a list or
        text with commas, are the tags. All other fields are in C(rollcall_meta)."
      - "V(consul): C(groups/<dc>/<host>) with text as C(web,db), and C(metadata/<dc>/<host>) with a JSON object of
        variables, as the script C(consul_io.py) reads them. Either of the two makes a host."
      - "V(script): C(hosts/<group>/<host>) of any value, C(hostvars/<host>/<variable>),
        C(groupvars/<group>/<variable>) and C(groups/<parent>/<child>), as inventory scripts for etcd read them. Values
        are JSON where they are JSON, else text, so that C(3.10) is a number unless it has quotes. Groups within each
        other in a circle are an error."
      - With V(consul) and V(script), which operators write, groups and data centres are called as in the tree, as if
        O(group_names) were C({role}) and C({dc}), and no groups of health and maintenance. Variables are
        called as there, too, and C(rollcall_meta) is empty. C(ansible_host) must be an IP address; a host without it
        is reached by its name. See O(trusted_variables) for those that are not taken.
    type: str
    default: "{role}/{name}"
    choices: ["{role}/{name}", "{dc}/{role}/{name}", json, consul, script]
    env:
      - name: ANSIBLE_ROLLCALL_LAYOUT
    ini:
      - section: rollcall
        key: layout
    vars:
      - name: rollcall_layout
  api:
    description:
      - Which of etcd's two stores the tree is in. V(v2) is the one that C(etcdctl set --ttl) writes with
        C(ETCDCTL_API=2), and nothing of it is seen in V(v3). Up to etcd 3.3 it is on, etcd 3.4 and 3.5 have
        it with C(--enable-v2), and etcd 3.6 has it no more.
      - A host is there until the TTL of its key has passed. The empty directories that stay behind are no hosts.
      - With V(v2) there is no maintenance, since that is kept in V(v3).
    type: str
    choices: [v3, v2]
    default: v3
    version_added: 0.2.0
  trusted_variables:
    description:
      - Variables that are taken from a tree in the O(layout) V(consul) or V(script) although they decide how Ansible
        works, for example V(ansible_user) and V(ansible_port).
      - Without being named here, a variable whose name begins with C(ansible_) or C(rollcall_), or that Ansible itself
        sets, is rejected with a warning. With V(ansible_host) here, it may also be a name.
      - A user who can write such a variable in etcd decides what the controller runs.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  clusters:
    description:
      - Several etcds in one inventory, for example one in each data centre. They are read at the same time, each at a
        revision of its own, and there is a result only when all of them could be read; see O(on_error).
      - Each may have options of its own, O(endpoints) or O(layout) for example. An option that it does not have is as
        the file says. Its own way to etcd, by endpoints, host and port or SRV records, takes the place of the file's.
      - Where one name is registered in two clusters, both nodes are rejected with a warning, unless O(hostnames) makes
        two names of it.
      - There is no group for each cluster. Give each a V(dc), or O(layout={dc}/{role}/{name}), and there are groups of
        data centres.
    type: list
    elements: dict
    suboptions:
      name:
        description: How messages call the cluster.
        type: str
        required: true
      dc:
        description: The data centre of its nodes, where O(layout) does not name one.
        type: str
    version_added: 0.2.0
  lost:
    description:
      - Whether nodes that are lost are hosts, too. A node is lost that the roster calls joined, but whose lease has
        ended, so it crashed, was cut off or was switched off; one that left on purpose is not.
      - They are in the group C(lost) and in no other, so that a play on a role does not meet them, but one on C(all)
        does. O(compose), O(groups) and O(keyed_groups) do not see them.
      - They have C(rollcall_health=lost), their name, role and data centre, and as C(ansible_host) the address that
        they had last. One of which the roster knows none, or none that may be used, is omitted with a warning.
      - They do not count for O(min_hosts), O(allow_empty) and O(max_shrink). O(filters) on a service, a tag or a health
        leave none of them.
    type: bool
    default: false
    version_added: 0.2.0
  hostnames:
    description:
      - How a host is called, in order of preference. The first that its node has is taken.
      - V(name) is the name under which the node is registered, V(address) its address, and V(name.dc) its name and its
        data centre with a dot between them.
      - If two machines get the same name, both are rejected with a warning. With V(name.dc) first, one name may be
        used in every data centre.
    type: list
    elements: str
    choices: [name, address, name.dc]
    default: [name]
    version_added: 0.2.0
  filters:
    description:
      - Which nodes become hosts, by V(role), V(dc), V(service), V(health), V(tag), V(name), V(maintenance) and
        V(serving), with the meaning that the options of these names have in P(rollcall.discovery.nodes#lookup).
      - A value is a word, or a list of which one must match. A node must pass all of them.
      - Templates are allowed. O(min_hosts) and O(allow_empty) are about the hosts that are left.
    type: dict
    default: {}
    version_added: 0.2.0
  exclude_filters:
    description:
      - Nodes that do not become hosts, even if they match O(filters).
      - One mapping as in O(filters), or a list of them. A node that passes all of one mapping is kept out.
    type: raw
    default: []
    version_added: 0.2.0
  group_names:
    description:
      - How the groups of each kind are called. The kinds are V(role), V(dc), V(service), V(tag), V(health),
        V(maintenance) and V(lost).
      - Each name but those of V(maintenance) and V(lost) has its kind in braces where the word is to stand. V(null)
        makes no groups of that kind.
      - By default V(role_{role}), V(dc_{dc}), V(service_{service}), V(tag_{tag}), V(health_{health}), V(maintenance)
        and V(lost).
      - A node says its services and tags as it likes, so their groups must not be called V({service}) or V({tag})
        alone. With V({role}) alone a node's role can be the name of a group of another source.
    type: dict
    default: {}
    version_added: 0.2.0
"""

EXAMPLES = r"""
# inventory/etcd.yml: all there need be
---
plugin: rollcall.discovery.etcd
endpoints: [http://etcd1.example.com:2379, http://etcd2.example.com:2379, http://etcd3.example.com:2379]

# rollcall.etcd.yml: with what the role etcd has made, in the directory .rollcall beside this file
---
plugin: rollcall.discovery.etcd
endpoints: [https://etcd1.example.com:2379, https://etcd2.example.com:2379, https://etcd3.example.com:2379]
ca_cert: "{{ inventory_dir }}/.rollcall/tls/ca.crt"
user: inventory
password: "{{ lookup('rollcall.discovery.password', 'inventory', directory=inventory_dir ~ '/.rollcall') }}"

# prod.etcd.yml: with TLS, a password from the environment, data centres, and guards
---
plugin: rollcall.discovery.etcd
endpoints: [https://etcd1.example.com:2379, https://etcd2.example.com:2379, https://etcd3.example.com:2379]
ca_cert: /etc/ssl/etcd-ca.pem
user: inventory
password: "{{ lookup('ansible.builtin.env', 'ETCD_PASSWORD') }}"
layout: "{dc}/{role}/{name}"
allowed_networks: [10.0.0.0/8]
min_hosts: 3
strict_nodes: true

# web.etcd.yml: some of the nodes only, under names and in groups of one's own choice
---
plugin: rollcall.discovery.etcd
endpoints: [http://etcd1.example.com:2379]
layout: "{dc}/{role}/{name}"
hostnames: [name.dc]
filters:
  role: [web, cache]
  dc: "{{ lookup('ansible.builtin.env', 'DC') | default('eu', true) }}"
exclude_filters:
  - maintenance: true
  - health: critical
group_names:
  role: "{role}"
  service: "svc_{service}"
  health: null

# world.etcd.yml: an etcd in each data centre; one that is away for a quarter of an hour stops nobody
---
plugin: rollcall.discovery.etcd
ca_cert: /etc/ssl/etcd-ca.pem
user: inventory
clusters:
  - name: eu
    dc: eu
    endpoints: [https://etcd1.eu.example.com:2379, https://etcd2.eu.example.com:2379]
    password: "{{ lookup('ansible.builtin.env', 'ETCD_PASSWORD_EU') }}"
  - name: us
    dc: us
    discovery_srv: us.example.com
    password: "{{ lookup('ansible.builtin.env', 'ETCD_PASSWORD_US') }}"
hostnames: [name.dc]
on_error: use_cache
max_cache_age: 900
max_shrink: 30%
lost: true

# v2.etcd.yml: hosts that etcdctl set --ttl has registered in the v2 store
---
plugin: rollcall.discovery.etcd
endpoints: [http://etcd1.example.com:2379]
api: v2

# script.etcd.yml: the tree of an inventory script; /ansible/hosts/web/web1 and /ansible/hostvars/web1/http_port
---
plugin: rollcall.discovery.etcd
endpoints: [http://etcd1.example.com:2379]
layout: script
prefix: /ansible
trusted_variables: [ansible_user, ansible_port]

# constructed.etcd.yml: more groups and variables, as with every other inventory plugin
---
plugin: rollcall.discovery.etcd
endpoints: [http://etcd1.example.com:2379]
strict: true
compose:
  http_port: rollcall_services.web.port | default(80)
groups:
  in_service: rollcall_health == 'passing' and not rollcall_maintenance
keyed_groups:
  - key: rollcall_meta.env | default('unknown')
    prefix: env
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /var/cache/ansible/rollcall
cache_timeout: 60
"""


import os
import typing as t

from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import NODE_NOTE
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import (
    _clusters,
    _garbage_collector,
    _guards,
    _hosts,
    _reading,
    _source,
)
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._constructed import Constructed
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._filters import Filters
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._names import HostNames


class InventoryModule(BaseInventoryPlugin, Constructed, Cacheable):
    """Fetch (all that can be waited for), build (all that can be wrong), populate."""

    NAME = "rollcall.discovery.etcd"

    trusted_by_default = False  # text from etcd is never a template

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and _source.may_be_ours(path)

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        _source.require_ours(path, loader)
        with _garbage_collector.paused():
            self._parse(inventory, path, cache)

    def _parse(self, inventory: InventoryData, path: str, cache: bool) -> None:
        try:
            self._configure(path)
            built = self._build(self._fetch(path, cache))
            built.draft.populate(inventory)
            if self._shrinkage:
                self._shrinkage.accept(built.alive)
        except Exception as exc:  # any: a mistake of ours must not end in an empty inventory, either
            _plugin.stop(f"No inventory from {path}", exc)

    def set_options(self, task_keys: t.Any = None, var_options: t.Any = None, direct: t.Any = None) -> None:
        given = _plugin.decrypted(direct or {})
        variables = _plugin.source_variables(self, self.templar, var_options or {})
        _plugin.refuse_misread(self, given, variables)
        super().set_options(task_keys, variables, given)

    def _configure(self, path: str) -> None:
        """Read the file. In the options that all plugins share, and in filters, the operator may use templates."""
        here = os.path.dirname(os.path.abspath(path))
        self.templar.available_variables = {"inventory_dir": here, **self._vars}
        config = self._read_config_data(path)
        _plugin.refuse_unknown(config, _plugin.option_names(self))
        names = (*_plugin.SHARED_OPTIONS, "clusters", "filters", "exclude_filters", "state_dir")
        config = {name: self.templar.template(value) if name in names else value for name, value in config.items()}
        _plugin.refuse_blank(config, _plugin.option_names(self))
        if _guards.ENVIRONMENT in os.environ:  # here it wins, so that one run can be accepted
            config.pop("max_shrink", None)
        with _plugin.ansible_errors():
            self._clusters = _clusters.configured(self, config, self._vars)
        self._rules = _hosts.Rules(
            HostNames(self.get_option("hostnames")),
            Filters(self.get_option("filters"), self.get_option("exclude_filters")),
            _clusters.group_names(self._clusters, self.get_option("group_names")),
            self.get_option("lost"),
        )
        self._last_good = _reading.LastGood.configured(self._options)
        self._shrinkage = _guards.Shrinkage.configured(self._options, self._clusters, path)

    def _fetch(self, path: str, cache: bool) -> _reading.Readings:
        """Every key of each cluster, as of one revision: from the cache where that may be used, else from etcd."""
        key = self.get_cache_key(path)
        readings = _reading.cached(self._cache, key, self._clusters) if cache and self.get_option("cache") else None
        if readings is None:
            readings, fresh = _reading.read(self._clusters, self._last_good)
            if fresh and self.get_option("cache"):
                self._cache[key] = _reading.to_cache(self._clusters, readings)
        return readings

    def _build(self, readings: _reading.Readings) -> _hosts.Built:
        """Nodes, hosts and groups on paper. Everything is checked here."""
        with _plugin.ansible_errors():
            found = _clusters.assemble(self._clusters, readings)
            built = _hosts.build(found, self.inventory, self.construct, self._rules)
            limits = map(self.get_option, ("allow_empty", "min_hosts", "strict_nodes"))
            _guards.guard(built, _clusters.where(self._clusters), *limits)
        if self._shrinkage:
            self._shrinkage.guard(built.alive, built.left)
        _plugin.warn(built.notes, "notes about hosts and groups", NODE_NOTE)
        _plugin.warn_of_nodes(built.rejected)
        return built
