# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module shares: its connection options, its client, its errors, its diff.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import collections
import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.common.validation import check_required_if, check_required_one_of, check_required_together

from . import _options, _secrets
from ._etcd.client import Client
from ._etcd.errors import RollcallError
from ._etcd.text import printable, with_id
from ._registry.errors import InvalidNode
from ._registry.strict_json import parse_json

Json = t.Dict[str, t.Any]

MAX_TTL = 9_000_000_000  # seconds: etcd grants no longer lease
MAX_PASSWORD = 72  # bytes that bcrypt takes, by which etcd keeps passwords; 3.4 drops the others without a word


class Module(AnsibleModule):
    """Its results are UTF-8, whatever etcd holds: bytes that are not are shown as C writes them, as in `\\xff`.

    Ansible fails a task whose result is not UTF-8, also where the module has done its work.
    """

    def _load_params(self) -> None:
        """Secrets are known before anything can fail, or goes to the host's log."""
        super()._load_params()
        self.no_log_values.update(_secrets.find(self.params, self.argument_spec))

    def exit_json(self, **kwargs: t.Any) -> t.NoReturn:
        super().exit_json(**_utf8(kwargs), invocation=self._invocation())

    def fail_json(self, msg: str, message_id: str = "RC-E-OPTION", **kwargs: t.Any) -> t.NoReturn:
        """End the task with an error. Ansible itself calls this for options that are wrong."""
        msg = with_id(printable(_utf8(msg)), message_id)
        super().fail_json(msg, **_utf8(kwargs), invocation=self._invocation())

    def warn(self, warning: str, message_id: str = "", **kwargs: t.Any) -> None:
        """Warn. Ansible's own warnings have no `message_id`."""
        text = printable(_utf8(warning))
        super().warn(with_id(text, message_id) if message_id else text, **kwargs)

    def fail_readably(self, msg: str) -> t.NoReturn:
        """End with a message that holds no text of others, and stays as it is if its words contain a short secret."""
        invocation = remove_values(self._invocation(), self.no_log_values)
        self.no_log_values = {secret for secret in self.no_log_values if secret not in msg}
        super().fail_json(msg, invocation=invocation)

    def _invocation(self) -> Json:
        """The parameters for those who ask with -vvv."""
        return {"module_args": _utf8(_secrets.redacted(self.params, self.argument_spec))}


def create_module(options: Json, *tables: _options.Table, **rules: t.Any) -> Module:
    """A module with its own `options`, those of the connection and of `tables`; `rules` as AnsibleModule takes them."""
    spec = {**_options.argument_spec(_options.CONNECTION, *tables), **options}
    module = Module(argument_spec=spec, supports_check_mode=True, **rules)
    _check_given(module, rules)
    return module


def _check_given(module: AnsibleModule, rules: Json) -> None:
    """AnsibleModule takes an explicit null for a value given; here it is one that is missing."""
    given = {name: value for name, value in module.params.items() if value is not None}
    try:
        check_required_one_of(rules.get("required_one_of"), given)
        check_required_together(rules.get("required_together"), given)
        check_required_if(rules.get("required_if"), given)
    except TypeError as exc:
        module.fail_json(msg=str(exc))


def require_positive(module: AnsibleModule, *names: str) -> None:
    """End the module where one of these numbers is given, and is not above 0."""
    for name in names:
        if module.params[name] is not None and module.params[name] < 1:
            module.fail_json(msg=f"{name} must be a positive number, not {module.params[name]}")


def require_text(module: AnsibleModule, *names: str) -> None:
    """End the module where one of these texts is empty, as with a variable that nobody has set."""
    for name in names:
        if not module.params[name]:
            module.fail_json(msg=f"{name} must not be empty")


def require_ttl(module: AnsibleModule) -> None:
    """End the module where the option `ttl` is given, and is no number of seconds that etcd grants."""
    require_positive(module, "ttl")
    if (module.params["ttl"] or 0) > MAX_TTL:
        module.fail_json(msg=f"ttl must be at most {MAX_TTL} seconds, not {module.params['ttl']}")


def require_names(module: AnsibleModule, option: str) -> None:
    """End the module where items of this list have an empty `name`, or the same one: nobody could tell which counts."""
    names = collections.Counter(item["name"] for item in module.params[option])
    if "" in names:
        module.fail_json(msg=f"A name in {option} is empty: give each of them a name")
    twins = sorted(name for name, times in names.items() if times > 1)
    if twins:
        module.fail_json(msg=f"{option} must name everyone once, and has more than one {', '.join(twins)}")


def require_password(module: AnsibleModule, user: str, password: str) -> None:
    """End the module where etcd would not set this password."""
    if len(password.encode()) > MAX_PASSWORD:
        module.fail_json(msg=f"The password of the user {user} is longer than the {MAX_PASSWORD} bytes that etcd takes")


def fail_for_missing(module: AnsibleModule, msg: str) -> None:
    """End the module since something is not there; in check mode only warn, for an earlier task may be to make it."""
    if not module.check_mode:
        module.fail_json(msg=msg, message_id="RC-E-MISSING")
    module.warn(f"{msg}. The task will fail unless an earlier one creates it", "RC-E-MISSING")


def foresee_lease(module: AnsibleModule, client: Client, lease: int) -> None:
    """Warn in check mode where this lease is not there, which etcd says only as it writes. 0 stands for none."""
    if module.check_mode and lease and client.lease_status(lease).ttl < 0:
        fail_for_missing(module, f"Requested lease not found: {lease} ({lease:x}) has ended, or never was")


@contextlib.contextmanager
def connect(module: AnsibleModule) -> t.Iterator[Client]:
    """A client for the block, in which every RollcallError ends the module with its message."""
    try:
        settings = _options.settings(module.params)
        if settings.warning:
            module.warn(settings.warning, "RC-E-INSECURE")
        with Client(settings) as client:
            yield client
    except RollcallError as exc:
        module.fail_json(msg=str(exc), message_id=exc.id)


def diff(header: str, before: t.Optional[Json], after: t.Optional[Json]) -> Json:
    """What `finish` takes for one thing that changed; None stands for what is not there."""
    return {
        "before_header": header,
        "after_header": header,
        "before": "" if before is None else before,
        "after": "" if after is None else after,
    }


def answer(module: Module, **result: t.Any) -> None:
    """End a module that only reads with `result`, or with an error if Ansible would hide a part of it."""
    refuse_hidden(module, **result)
    module.exit_json(changed=False, **result)


def finish(module: Module, diffs: t.Sequence[Json], **result: t.Any) -> None:
    """End the module with `result`, and with `diffs` where the user asks for them.

    What Ansible would hide is null instead, with a warning: the change is made, so it is no error.
    """
    hidden = _secrets.places(result, module.no_log_values)
    if hidden:
        module.warn(
            f"{_hiding(hidden)}: null is returned instead, so that no later task takes asterisks for a value",
            "RC-E-HIDDEN",
        )
        result = _secrets.without(result, module.no_log_values)
    if module._diff:
        result["diff"] = list(diffs)
    module.exit_json(**result)


def refuse_hidden(module: Module, **result: t.Any) -> None:
    """End the module if these parts of its result contain a secret of the task, before it changes anything.

    Ansible would return asterisks in the place of the secret, and a later task would take them for a part of the value.
    """
    hidden = _secrets.places(_utf8(result), module.no_log_values)
    if hidden:
        module.fail_readably(
            f"{_hiding(hidden)}. Nothing was changed. Use a longer password, or read the value with the lookup "
            "rollcall.discovery.etcd, whose results are not searched for passwords [RC-E-HIDDEN]"
        )


def _hiding(places: t.Sequence[str]) -> str:
    more = f" and {len(places) - 3} more" if places[3:] else ""
    return (
        f"Cannot return {', '.join(places[:3])}{more}: it contains the password of this task, or another secret among "
        "its options, which Ansible replaces by asterisks in every result"
    )


def readable(text: str) -> t.Any:
    """A value for people: a mapping or list as data, anything else, or what cannot be shown, as the text it is.

    Also what has a key that Ansible reserves: nothing may fail, or be taken for something else, after a write.
    """
    try:
        data = parse_json(text, "value")
    except InvalidNode:
        return text
    return data if isinstance(data, (dict, list)) else text


def _utf8(value: t.Any) -> t.Any:
    if isinstance(value, str):
        try:
            raw = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # half of a surrogate pair stands for no byte
            raw = value.encode("utf-8", "backslashreplace")
        return raw.decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {_utf8(key): _utf8(inner) for key, inner in value.items()}
    return [_utf8(inner) for inner in value] if isinstance(value, (list, tuple)) else value
