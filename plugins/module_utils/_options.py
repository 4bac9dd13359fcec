# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that modules and plugins share, each described in one place.

Internal to the collection: no promise is made to other users of this file.

The argument specs of the modules, the doc fragments, and the names of environment variables, ini keys and variables
are derived from these tables. So are the Settings and the Layout that a module or plugin works with.
"""

from __future__ import annotations

import typing as t

from ._etcd.errors import InvalidSettings
from ._etcd.settings import DEFAULT_TIMEOUT, ETCDCTL, Settings, refuse_empty
from ._registry.layout import DEFAULT_PREFIX, LAYOUTS, ROLE_NAME, Layout
from ._registry.model import HEALTHS
from ._registry.node_set import Admission
from ._registry.validation import Network, parse_networks

Json = t.Dict[str, t.Any]

INI_SECTION = "rollcall"


class Option(t.NamedTuple):
    """One option. `var` and `etcdctl` name a variable and etcdctl's environment variable, "" if there is no such name.

    If `ambient` is False, only the task or the plugin's configuration can set the option, no environment variable, ini
    key or variable. A `secret` is never printed, nor read from ansible.cfg, which is often shared.
    """

    description: t.Tuple[str, ...]
    type: str = "str"
    elements: str = ""
    default: t.Any = None
    choices: t.Tuple[str, ...] = ()
    aliases: t.Tuple[str, ...] = ()
    secret: bool = False
    ambient: bool = True
    var: str = ""
    etcdctl: str = ""


Table = t.Mapping[str, Option]

CONNECTION: Table = {
    "endpoints": Option(
        description=(
            "Client URLs of the etcd members, such as V(https://etcd1:2379), V(etcd1:2379) or V([2001:db8::1]:2379).",
            "They are tried in this order until one answers.",
            "A URL without a scheme uses https if O(ca_cert) or O(client_cert) is set, otherwise http.",
            "Defaults to V(http://127.0.0.1:2379).",
        ),
        type="list",
        elements="str",
        var="rollcall_etcd_endpoints",
        etcdctl=ETCDCTL["endpoints"],
    ),
    "host": Option(
        description=(
            "Host of a single etcd member. Defaults to V(127.0.0.1) if O(port) is set.",
            "Alternative to O(endpoints).",
        ),
        ambient=False,
    ),
    "port": Option(
        description=(
            "Port of a single etcd member. Defaults to V(2379) if O(host) is set.",
            "Alternative to O(endpoints).",
        ),
        type="int",
        ambient=False,
    ),
    "discovery_srv": Option(
        description=(
            "Domain whose SRV records C(_etcd-client-ssl._tcp) or C(_etcd-client._tcp) name the etcd members.",
            "Set either this or O(endpoints). If both are set in different places (such as one in the inventory file"
            " and one in the environment), the place with the higher precedence wins.",
        ),
        var="rollcall_etcd_discovery_srv",
        etcdctl=ETCDCTL["discovery_srv"],
    ),
    "discovery_srv_insecure": Option(
        description=(
            "Whether O(discovery_srv) may lead to members without TLS, or to hosts outside the domain.",
            "DNS is not authenticated, and a forged answer could make the client send the password in clear text."
            " Therefore only C(_etcd-client-ssl._tcp) is looked up if a TLS option or O(password) is set.",
            "Corresponds to C(--insecure-discovery) of etcdctl, which is enabled there by default.",
        ),
        type="bool",
        default=False,
        var="rollcall_etcd_discovery_srv_insecure",
        etcdctl=ETCDCTL["discovery_srv_insecure"],
    ),
    "ca_cert": Option(
        description=(
            "File with the CA certificates used to verify the certificate of the etcd server.",
            "Defaults to the CA certificates of the system.",
        ),
        type="path",
        aliases=("cacert", "ca_path"),
        var="rollcall_etcd_ca_cert",
        etcdctl=ETCDCTL["ca_cert"],
    ),
    "client_cert": Option(
        description=(
            "File with the client certificate. Requires O(client_key).",
            "If authentication is enabled in etcd, the certificate must not have a common name (CN): etcd's JSON"
            " gateway rejects such certificates.",
        ),
        type="path",
        aliases=("cert_cert", "cert"),
        var="rollcall_etcd_client_cert",
        etcdctl=ETCDCTL["client_cert"],
    ),
    "client_key": Option(
        description=("File with the private key of O(client_cert).",),
        type="path",
        aliases=("cert_key", "key_file"),
        var="rollcall_etcd_client_key",
        etcdctl=ETCDCTL["client_key"],
    ),
    "user": Option(
        description=(
            "User for etcd's password authentication. Requires O(password).",
            "V(user:password) is accepted too, as in etcdctl; O(password) overrides the password in it.",
            "Prefer O(password), which is never logged.",
        ),
        var="rollcall_etcd_user",
        etcdctl=ETCDCTL["user"],
    ),
    "password": Option(
        description=("Password of O(user).",),
        secret=True,
        var="rollcall_etcd_password",
        etcdctl=ETCDCTL["password"],
    ),
    "timeout": Option(
        description=(
            "How long one request may take in total, across all O(endpoints): seconds, or a duration such as V(5s) or"
            " V(1m30s).",
            "An etcd without quorum reports that after seven seconds. With a shorter timeout, the error only says that"
            " etcd did not answer.",
        ),
        default=f"{DEFAULT_TIMEOUT:g}",
        var="rollcall_etcd_timeout",
        etcdctl=ETCDCTL["timeout"],
    ),
    "validate_certs": Option(
        description=(
            "Whether to verify the certificate of the etcd server.",
            "E(ETCDCTL_INSECURE_SKIP_TLS_VERIFY) is deliberately ignored. Only this option disables verification.",
        ),
        type="bool",
        default=True,
        var="rollcall_etcd_validate_certs",
    ),
    "tls_server_name": Option(
        description=(
            "Host name that the certificate of the etcd server must be valid for.",
            "Defaults to the host of the endpoint.",
        ),
        var="rollcall_etcd_tls_server_name",
    ),
}

REGISTRY: Table = {
    "prefix": Option(
        description=("Prefix of the keys under which nodes are registered.",),
        default=DEFAULT_PREFIX,
        var="rollcall_prefix",
    ),
    "layout": Option(
        description=("How the keys under O(prefix) identify a node.",),
        default=ROLE_NAME,
        choices=LAYOUTS,
        var="rollcall_layout",
    ),
    "state_prefix": Option(
        description=(
            "Prefix of the keys that are not attached to a node's lease, such as maintenance and the roster.",
            "Defaults to V(/rollcall) followed by O(prefix).",
        ),
        var="rollcall_state_prefix",
    ),
    "allowed_networks": Option(
        description=(
            "Networks that the addresses of nodes must belong to, such as V(10.0.0.0/8).",
            "By default, all addresses are accepted except loopback, link-local, multicast and unspecified ones.",
        ),
        type="list",
        elements="str",
    ),
}

# Only readers have this option: a writer must give each node a lease anyway.
READING: Table = {
    "allow_unleased": Option(
        description=(
            "Whether to accept nodes whose keys are not attached to a lease, such as those written by C(etcdctl put)"
            " without C(--lease).",
            "etcd does not remove such a node when its host fails, so by default it is rejected with a warning.",
        ),
        type="bool",
        default=False,
        var="rollcall_allow_unleased",
    ),
}

# The keyword arguments of select() in _registry/select.py. Only the task can set them, not its environment.
FILTERS: Table = {
    "role": Option(
        description=("Only nodes that have one of these roles.",), type="list", elements="str", ambient=False
    ),
    "dc": Option(description=("Only nodes in one of these data centres.",), type="list", elements="str", ambient=False),
    "service": Option(
        description=("Only nodes with one of these services.",), type="list", elements="str", ambient=False
    ),
    "health": Option(
        description=(
            "Only nodes with one of these health states. If O(service) is set, the health of the service is compared.",
        ),
        type="list",
        elements="str",
        choices=HEALTHS,
        ambient=False,
    ),
    "tag": Option(
        description=("Only nodes with one of these tags. If O(service) is set, a tag of the service counts as well.",),
        type="list",
        elements="str",
        ambient=False,
    ),
    "name": Option(description=("Only nodes with one of these names.",), type="list", elements="str", ambient=False),
    "maintenance": Option(
        description=("Only nodes in maintenance (V(true)), or only nodes not in maintenance (V(false)).",),
        type="bool",
        ambient=False,
    ),
    "serving": Option(
        description=(
            "Only nodes that can take traffic (V(true)), or only nodes that cannot (V(false)).",
            "A node can take traffic if its health is V(passing) or V(warning) and it is not in maintenance. If"
            " O(service) is set, the health of the service is used.",
        ),
        type="bool",
        ambient=False,
    ),
}


def argument_spec(*tables: Table) -> Json:
    """The tables in the form that AnsibleModule expects."""
    return {name: _argument(option) for table in tables for name, option in table.items()}


def documentation(table: Table, sources: t.Sequence[str] = ()) -> Json:
    """The table in the form of a doc fragment; with the `sources` ("env", "ini", "vars") that plugins read."""
    return {"options": {name: _described(name, option, sources) for name, option in table.items()}}


def settings(options: t.Mapping[str, t.Any]) -> Settings:
    """The Settings that the connection options describe. Raises InvalidSettings."""
    return Settings.from_mapping({name: options.get(name) for name in CONNECTION})


def layout(options: t.Mapping[str, t.Any]) -> Layout:
    """The Layout that the registry options describe. Raises InvalidLayout, InvalidSettings."""
    refuse_empty({name: options.get(name) for name in REGISTRY})
    return Layout(options["prefix"], options["layout"], options.get("state_prefix") or "")


def filters(options: t.Mapping[str, t.Any]) -> Json:
    """The filters as keyword arguments of select(). Raises InvalidSettings."""
    chosen = {name: options[name] for name in FILTERS}
    refuse_empty(chosen)
    return {name: _texts(name, value) if isinstance(value, (list, tuple)) else value for name, value in chosen.items()}


def admission(options: t.Mapping[str, t.Any]) -> Admission:
    """The rule for which nodes to accept. Raises InvalidNode if a network is invalid."""
    return Admission(allowed_networks(options), bool(options.get("allow_unleased")))


def allowed_networks(options: t.Mapping[str, t.Any]) -> t.Tuple[Network, ...]:
    """The networks of valid addresses; (): all addresses that another host can reach. Raises InvalidNode."""
    return parse_networks(options.get("allowed_networks") or ())


def _texts(name: str, items: t.Iterable[t.Any]) -> t.List[str]:
    """The items of a filter as text; Ansible validates them only in modules. Raises InvalidSettings."""
    texts = [str(item) if isinstance(item, (int, float)) else item for item in items]
    for text in texts:
        if not isinstance(text, str) or not text:
            raise InvalidSettings(f"{name}: expected a list of strings, got {text!r}")
    return texts


def _argument(option: Option) -> Json:
    argument: Json = {"type": option.type}
    if option.secret:
        argument["no_log"] = True
    for field in ("elements", "default", "choices", "aliases"):
        value = getattr(option, field)
        if value not in ("", None, ()):
            argument[field] = list(value) if isinstance(value, tuple) else value
    return argument


def _described(name: str, option: Option, sources: t.Sequence[str]) -> Json:
    described = {key: value for key, value in _argument(option).items() if key != "no_log"}
    described["description"] = list(option.description)
    if not option.ambient:
        return described
    if "env" in sources:
        # Ansible uses the last one that is set, so our own name takes precedence over etcdctl's.
        names = filter(None, (option.etcdctl, f"ANSIBLE_ROLLCALL_{name.upper()}"))
        described["env"] = [{"name": env} for env in names]
    if "ini" in sources and not option.secret:
        described["ini"] = [{"section": INI_SECTION, "key": name}]
    if "vars" in sources and option.var:
        described["vars"] = [{"name": option.var}]
    return described
