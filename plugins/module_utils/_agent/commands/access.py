# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the operator's commands get to etcd and to the registry in it.

Internal to the collection: no promise is made to other users of this file.

The command line comes first, then etcdctl's variables, then a configuration of this host. A password of the
configuration is used only for its own user at its own endpoints.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import sys
import typing as t

from ..._etcd.client import Client
from ..._etcd.errors import InvalidSettings, PermissionDenied, RollcallError
from ..._etcd.settings import ETCDCTL, Settings, nearest, refuse_empty
from ..._registry.layout import DEFAULT_PREFIX, LAYOUTS, ROLE_NAME, Layout
from ..._registry.node_set import Admission
from ..._registry.validation import parse_networks
from ..config import Section, etcd_options, read

REGISTER, RENDER = "/etc/rollcall/register.json", "/etc/rollcall/render.json"

_FLAGS = (
    ("endpoints", ("--endpoints",), "URLS", "members of etcd, separated by commas"),
    ("discovery_srv", ("--discovery-srv",), "DOMAIN", "domain whose SRV records name the members"),
    ("ca_cert", ("--ca-cert", "--cacert"), "FILE", "CA certificates that verify the certificate of etcd"),
    ("client_cert", ("--client-cert", "--cert"), "FILE", "client certificate"),
    ("client_key", ("--client-key", "--key"), "FILE", "private key of the client certificate"),
    (
        "tls_server_name",
        ("--tls-server-name",),
        "NAME",
        "name in the certificate of etcd",
    ),
    ("user", ("--user",), "NAME", "user of etcd; the command asks for the password, unless --password-file is given"),
    ("timeout", ("--timeout",), "SECONDS", "deadline of one request"),
)


class Access(t.NamedTuple):
    """`source` tells where it comes from, for messages. `admission` says which nodes are taken."""

    settings: Settings
    layout: Layout
    admission: Admission
    source: str

    @contextlib.contextmanager
    def client(self) -> t.Iterator[Client]:
        """A client for the block. A refusal to read says what the operator can do."""
        try:
            with Client(self.settings) as client:
                yield client
        except PermissionDenied as exc:
            raise NoAccess(f"{exc}\n{self._advice()}") from exc

    def _advice(self) -> str:
        advice = (
            f"The user {self.settings.user or '(none)'} of {self.source} may not do that: a node's own user sees no "
            "more than its own keys. Say --user NAME, or ETCDCTL_USER and ETCDCTL_PASSWORD, for one who may"
        )
        return advice + (f", or --config {RENDER}" if self.source == REGISTER and os.path.exists(RENDER) else "")


class NoAccess(RollcallError):
    """The command does not know how to get to etcd, or may not."""

    id = "RC-E-ACCESS"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the connection to etcd and of the registry."""
    group = parser.add_argument_group(
        "connection to etcd",
        "The defaults come from the variables of etcdctl (ETCDCTL_ENDPOINTS and so on), then from the configuration of "
        "this host.",
    )
    group.add_argument("--config", metavar="FILE", help=f"configuration file (default: {REGISTER}, otherwise {RENDER})")
    for name, flags, value, words in _FLAGS:
        group.add_argument(*flags, dest=name, metavar=value, help=words)
    group.add_argument(
        *("--discovery-srv-insecure", "--insecure-discovery"),
        dest="discovery_srv_insecure",
        action="store_const",
        const=True,
        help="accept SRV records that name members without TLS or hosts outside the domain",
    )
    group.add_argument("--password-file", metavar="FILE", help="file that holds the password of --user")
    registry = (
        ("prefix", f"prefix of the keys of nodes (default: as configured, otherwise {DEFAULT_PREFIX})"),
        ("layout", f"{' or '.join(LAYOUTS)} (default: as configured, otherwise {ROLE_NAME})"),
        ("state-prefix", "prefix of the persistent keys (default: as configured, otherwise /rollcall and the prefix)"),
    )
    for name, words in registry:
        group.add_argument(f"--{name}", metavar=name.upper(), help=words)


def access(args: argparse.Namespace) -> Access:
    """The access that the command line, the environment and the configuration describe. Raises RollcallError."""
    words = ("config", "password_file", "prefix", "layout", "state_prefix")
    refuse_empty({f"--{name.replace('_', '-')}": getattr(args, name) for name in words})
    given = {name: os.environ[variable] for name, variable in ETCDCTL.items() if variable in os.environ}
    flags = (*(name for name, *_rest in _FLAGS), "discovery_srv_insecure")
    said = {name: getattr(args, name) for name in flags if getattr(args, name) is not None}
    given = nearest({**given, **said}, lambda name: name not in said)
    given = {name: value for name, value in given.items() if value is not None}
    elsewhere, own_user = "endpoints" in given or "discovery_srv" in given, "user" in given
    file = args.config
    if file is None:
        file = next(filter(os.path.exists, (REGISTER, RENDER)), "")
    if not file and not elsewhere:
        raise NoAccess(
            f"No endpoints of etcd: there is no {REGISTER} on this host. Set --endpoints or ETCDCTL_ENDPOINTS"
        )
    root = read(file) if file else Section("", "", {})
    if not elsewhere:
        given = {**_configured(root, not own_user), **given}
    _add_password(args, given)
    try:
        settings = Settings.from_mapping(given)
    except InvalidSettings as exc:
        raise NoAccess(f"Cannot connect to etcd: {exc}") from exc
    layout = Layout(
        root.text("prefix", DEFAULT_PREFIX) if args.prefix is None else args.prefix,
        root.text("layout", ROLE_NAME) if args.layout is None else args.layout,
        _state_prefix(args, root),
    )
    source = "the command line or environment" if elsewhere or own_user else file
    admission = Admission(parse_networks(root.some_texts("allowed_networks")), root.flag("allow_unleased", False))
    return Access(settings, layout, admission, source)


def _state_prefix(args: argparse.Namespace, root: Section) -> str:
    """That of the configuration belongs to its own prefix, and "" stands for the default."""
    if args.state_prefix is None:
        return root.text("state_prefix") if args.prefix is None else ""
    if not args.state_prefix:
        raise RollcallError("--state-prefix: expected a prefix, got an empty text. Omit it for its default")
    return str(args.state_prefix)


def _configured(root: Section, with_password: bool) -> t.Dict[str, t.Any]:
    try:
        options = etcd_options(root, with_password)
    except RollcallError as exc:
        raise NoAccess(f"{exc}. Run the command as root, or set --user or --endpoints") from exc
    return {name: value for name, value in options.items() if value not in ("", None) and value != []}


def _add_password(args: argparse.Namespace, given: t.Dict[str, t.Any]) -> None:
    """The password of a user that is not the configuration's."""
    user = given.get("user", "")
    if args.password_file is not None:
        try:
            with open(args.password_file, encoding="utf-8") as file:
                given["password"] = file.read().rstrip("\r\n")
        except (OSError, ValueError) as exc:
            raise NoAccess(f"Cannot read the password: {exc}") from exc
    elif user and ":" not in user and not given.get("password") and sys.stdin.isatty():
        given["password"] = getpass.getpass(f"Password of {user}: ")
