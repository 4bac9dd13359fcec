# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that modules and plugins share, each described once.

Internal to the collection: no promise is made to other users of this file.

From the tables come the argument specs of modules, the doc fragments, the names of environment variables, ini keys
and variables, and at last the Settings and the Layout that the options stand for.
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
    """One option. `var` and `etcdctl` are the names of a variable and of etcdctl's environment variable, "" for none.

    `ambient` is False where only the task or the plugin's configuration may give it. `secret` is never printed, and
    not read from ansible.cfg, which is a file that people share.
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
            "Client URLs of etcd's members, as V(https://etcd1:2379), V(etcd1:2379) or V([2001:db8::1]:2379).",
            "They are asked in this order until one answers.",
            "Without a scheme it is https where O(ca_cert) or O(client_cert) is given, otherwise http.",
            "Where nothing is given it is V(http://127.0.0.1:2379).",
        ),
        type="list",
        elements="str",
        var="rollcall_etcd_endpoints",
        etcdctl=ETCDCTL["endpoints"],
    ),
    "host": Option(
        description=(
            "Host of a single etcd member, V(127.0.0.1) where only O(port) is given.",
            "Takes the place of O(endpoints).",
        ),
        ambient=False,
    ),
    "port": Option(
        description=(
            "Port of a single etcd member, V(2379) where only O(host) is given.",
            "Takes the place of O(endpoints).",
        ),
        type="int",
        ambient=False,
    ),
    "discovery_srv": Option(
        description=(
            "Domain whose SRV records C(_etcd-client-ssl._tcp) or C(_etcd-client._tcp) name etcd's members.",
            "Give either this or O(endpoints). Of those that a plugin finds in different places the nearer one counts.",
        ),
        var="rollcall_etcd_discovery_srv",
        etcdctl=ETCDCTL["discovery_srv"],
    ),
    "discovery_srv_insecure": Option(
        description=(
            "Whether O(discovery_srv) may lead to members without TLS, or to hosts outside of the domain.",
            "DNS is not authenticated. So where a TLS option or O(password) is given only C(_etcd-client-ssl._tcp) is"
            " looked up, or a forged answer would have the password sent in clear.",
            "It is what etcdctl calls C(--insecure-discovery), which is on there.",
        ),
        type="bool",
        default=False,
        var="rollcall_etcd_discovery_srv_insecure",
        etcdctl=ETCDCTL["discovery_srv_insecure"],
    ),
    "ca_cert": Option(
        description=(
            "File with the CA certificates that etcd's certificate is verified with.",
            "By default those of the system are used.",
        ),
        type="path",
        aliases=("cacert", "ca_path"),
        var="rollcall_etcd_ca_cert",
        etcdctl=ETCDCTL["ca_cert"],
    ),
    "client_cert": Option(
        description=(
            "File with the certificate to show to etcd, together with O(client_key).",
            "With etcd's authentication on it must not carry a CN: etcd's JSON gateway refuses such certificates.",
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
            "User of etcd's password authentication, together with O(password).",
            "It may be V(user:password), as etcdctl has it; O(password) takes the place of that one.",
            "Prefer O(password), which is kept out of logs.",
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
            "How long one request may take, over all O(endpoints): seconds, or a duration such as V(5s) or V(1m30s).",
            "An etcd without quorum says so after seven seconds, so less than that only tells that it did not answer.",
        ),
        default=f"{DEFAULT_TIMEOUT:g}",
        var="rollcall_etcd_timeout",
        etcdctl=ETCDCTL["timeout"],
    ),
    "validate_certs": Option(
        description=(
            "Whether etcd's certificate is verified. etcdctl's E(ETCDCTL_INSECURE_SKIP_TLS_VERIFY) is not read, on"
            " purpose - certificates are verified unless it is said here.",
        ),
        type="bool",
        default=True,
        var="rollcall_etcd_validate_certs",
    ),
    "tls_server_name": Option(
        description=("Name that etcd's certificate must be for, where it is not the host of the endpoint.",),
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
        description=("How the keys under O(prefix) name a node.",),
        default=ROLE_NAME,
        choices=LAYOUTS,
        var="rollcall_layout",
    ),
    "state_prefix": Option(
        description=(
            "Prefix of the keys that outlive a node's lease, as maintenance does.",
            "By default it is V(/rollcall) followed by O(prefix).",
        ),
        var="rollcall_state_prefix",
    ),
    "allowed_networks": Option(
        description=(
            "Networks in which the addresses of nodes must lie, as V(10.0.0.0/8).",
            "By default every address is taken but loopback, link-local, multicast and unspecified ones.",
        ),
        type="list",
        elements="str",
    ),
}

# For those who read nodes. Who writes one must give it a lease anyway.
READING: Table = {
    "allow_unleased": Option(
        description=(
            "Whether nodes are taken that no lease holds, as C(etcdctl put) without C(--lease) writes them.",
            "Nothing removes such a node when its host dies, so by default it is rejected with a warning.",
        ),
        type="bool",
        default=False,
        var="rollcall_allow_unleased",
    ),
}

# Read by select() of _registry/select.py. Only a task may say which nodes it wants, never its surroundings.
FILTERS: Table = {
    "role": Option(
        description=("Only nodes that answer under one of these roles.",), type="list", elements="str", ambient=False
    ),
    "dc": Option(description=("Only nodes in one of these data centres.",), type="list", elements="str", ambient=False),
    "service": Option(
        description=("Only nodes with one of these services.",), type="list", elements="str", ambient=False
    ),
    "health": Option(
        description=("Only nodes of one of these healths; with O(service) the health of the service counts.",),
        type="list",
        elements="str",
        choices=HEALTHS,
        ambient=False,
    ),
    "tag": Option(
        description=("Only nodes with one of these tags; with O(service) also those that have it on the service.",),
        type="list",
        elements="str",
        ambient=False,
    ),
    "name": Option(description=("Only the nodes of these names.",), type="list", elements="str", ambient=False),
    "maintenance": Option(
        description=("Only nodes in maintenance (V(true)), or only nodes that are not (V(false)).",),
        type="bool",
        ambient=False,
    ),
    "serving": Option(
        description=(
            "Only nodes that can take traffic (V(true)), or only nodes that cannot (V(false)).",
            "Those can that are passing or warning, and neither draining nor in maintenance; with O(service) the health"
            " of the service counts.",
        ),
        type="bool",
        ambient=False,
    ),
}


def argument_spec(*tables: Table) -> Json:
    """The tables as AnsibleModule wants them."""
    return {name: _argument(option) for table in tables for name, option in table.items()}


def documentation(table: Table, sources: t.Sequence[str] = ()) -> Json:
    """The table as a doc fragment wants it; with `sources` ("env", "ini", "vars") also where plugins read it from."""
    return {"options": {name: _described(name, option, sources) for name, option in table.items()}}


def settings(options: t.Mapping[str, t.Any]) -> Settings:
    """What the connection options stand for. Raises InvalidSettings."""
    return Settings.from_mapping({name: options.get(name) for name in CONNECTION})


def layout(options: t.Mapping[str, t.Any]) -> Layout:
    """What the registry options stand for. Raises InvalidLayout, InvalidSettings."""
    refuse_empty({name: options.get(name) for name in REGISTRY})
    return Layout(options["prefix"], options["layout"], options.get("state_prefix") or "")


def filters(options: t.Mapping[str, t.Any]) -> Json:
    """Which nodes are wanted, as select() takes it. Raises InvalidSettings."""
    chosen = {name: options[name] for name in FILTERS}
    refuse_empty(chosen)
    return {name: _texts(name, value) if isinstance(value, (list, tuple)) else value for name, value in chosen.items()}


def admission(options: t.Mapping[str, t.Any]) -> Admission:
    """Which nodes are taken. Raises InvalidNode."""
    return Admission(allowed_networks(options), bool(options.get("allow_unleased")))


def allowed_networks(options: t.Mapping[str, t.Any]) -> t.Tuple[Network, ...]:
    """The networks that addresses must lie in; none: every address that another host can reach. Raises InvalidNode."""
    return parse_networks(options.get("allowed_networks") or ())


def _texts(name: str, items: t.Iterable[t.Any]) -> t.List[str]:
    """The items of a filter as text: Ansible checks them in modules only. Raises InvalidSettings."""
    texts = [str(item) if isinstance(item, (int, float)) else item for item in items]
    for text in texts:
        if not isinstance(text, str) or not text:
            raise InvalidSettings(f"{name}: expected texts, got {text!r}")
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
        # Ansible takes the last one that is set: etcdctl's own name yields to ours.
        names = filter(None, (option.etcdctl, f"ANSIBLE_ROLLCALL_{name.upper()}"))
        described["env"] = [{"name": env} for env in names]
    if "ini" in sources and not option.secret:
        described["ini"] = [{"section": INI_SECTION, "key": name}]
    if "vars" in sources and option.var:
        described["vars"] = [{"name": option.var}]
    return described
