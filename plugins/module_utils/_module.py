# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts that all modules share: connection options, client, errors, diff.

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

MAX_TTL = 9_000_000_000  # seconds; etcd's own limit for a lease
MAX_PASSWORD = 72  # bytes; the limit of bcrypt, which etcd uses to store passwords. etcd 3.4 silently drops the rest.


class Module(AnsibleModule):
    """A module whose results are valid UTF-8 for all data in etcd: other bytes appear as escapes such as `\\xff`.

    Ansible fails a task if its result is not UTF-8, even after the module has done its work.
    """

    def _load_params(self) -> None:
        """Collect the secrets before anything can fail or be written to the host's log."""
        super()._load_params()
        self.no_log_values.update(_secrets.find(self.params, self.argument_spec))

    def exit_json(self, **kwargs: t.Any) -> t.NoReturn:
        super().exit_json(**_utf8(kwargs), invocation=self._invocation())

    def fail_json(self, msg: str, message_id: str = "RC-E-OPTION", **kwargs: t.Any) -> t.NoReturn:
        """End the task with an error. Ansible itself calls this for invalid options."""
        msg = with_id(printable(_utf8(msg)), message_id)
        super().fail_json(msg, **_utf8(kwargs), invocation=self._invocation())

    def warn(self, warning: str, message_id: str = "", **kwargs: t.Any) -> None:
        """Warn. Ansible's own warnings have no `message_id`."""
        text = printable(_utf8(warning))
        super().warn(with_id(text, message_id) if message_id else text, **kwargs)

    def fail_readably(self, msg: str) -> t.NoReturn:
        """End the task with a fixed message, which stays readable even if its own words contain a short secret."""
        invocation = remove_values(self._invocation(), self.no_log_values)
        self.no_log_values = {secret for secret in self.no_log_values if secret not in msg}
        super().fail_json(msg, invocation=invocation)

    def _invocation(self) -> Json:
        """The parameters, without secrets, for the output of -vvv."""
        return {"module_args": _utf8(_secrets.redacted(self.params, self.argument_spec))}


def create_module(options: Json, *tables: _options.Table, **rules: t.Any) -> Module:
    """A module with its own `options`, the connection options and those of `tables`; `rules` are for AnsibleModule."""
    spec = {**_options.argument_spec(_options.CONNECTION, *tables), **options}
    module = Module(argument_spec=spec, supports_check_mode=True, **rules)
    _check_given(module, rules)
    return module


def _check_given(module: AnsibleModule, rules: Json) -> None:
    """Apply the rules again with null counted as missing; AnsibleModule counts an explicit null as given."""
    given = {name: value for name, value in module.params.items() if value is not None}
    try:
        check_required_one_of(rules.get("required_one_of"), given)
        check_required_together(rules.get("required_together"), given)
        check_required_if(rules.get("required_if"), given)
    except TypeError as exc:
        module.fail_json(msg=str(exc))


def require_positive(module: AnsibleModule, *names: str) -> None:
    """End the module with an error if one of these options is set and is not above 0."""
    for name in names:
        if module.params[name] is not None and module.params[name] < 1:
            module.fail_json(msg=f"{name}: expected a positive number, got {module.params[name]}")


def require_text(module: AnsibleModule, *names: str) -> None:
    """End the module with an error if one of these options is empty, such as from a variable that was never set."""
    for name in names:
        if not module.params[name]:
            module.fail_json(msg=f"{name}: expected a value, got an empty string")


def require_ttl(module: AnsibleModule) -> None:
    """End the module with an error if the option `ttl` is set to seconds that etcd does not grant."""
    require_positive(module, "ttl")
    if (module.params["ttl"] or 0) > MAX_TTL:
        module.fail_json(msg=f"ttl: expected at most {MAX_TTL} seconds, got {module.params['ttl']}")


def require_names(module: AnsibleModule, option: str) -> None:
    """End the module with an error if an item of this list has an empty `name`, or two have the same one."""
    names = collections.Counter(item["name"] for item in module.params[option])
    if "" in names:
        module.fail_json(msg=f"{option}: expected a name in each item, got an empty one")
    twins = sorted(name for name, times in names.items() if times > 1)
    if twins:
        module.fail_json(msg=f"{option}: expected each name once, got {', '.join(twins)} more than once")


def require_password(module: AnsibleModule, user: str, password: str) -> None:
    """End the module with an error if etcd cannot store this password."""
    if len(password.encode()) > MAX_PASSWORD:
        module.fail_json(msg=f"password of user {user}: expected at most {MAX_PASSWORD} bytes (etcd's limit), got more")


def fail_for_missing(module: AnsibleModule, msg: str) -> None:
    """End the module because something is missing. In check mode only warn: an earlier task may create it."""
    if not module.check_mode:
        module.fail_json(msg=msg, message_id="RC-E-MISSING")
    module.warn(f"{msg}. The task will fail unless an earlier one creates it", "RC-E-MISSING")


def foresee_lease(module: AnsibleModule, client: Client, lease: int) -> None:
    """Warn in check mode if this lease does not exist; etcd itself reports that only on a write. 0: no lease."""
    if module.check_mode and lease and client.lease_status(lease).ttl < 0:
        fail_for_missing(module, f"Requested lease not found: {lease} ({lease:x}) has expired or never existed")


@contextlib.contextmanager
def connect(module: AnsibleModule) -> t.Iterator[Client]:
    """A client for the `with` block; a RollcallError in the block ends the module with its message."""
    try:
        settings = _options.settings(module.params)
        if settings.warning:
            module.warn(settings.warning, "RC-E-INSECURE")
        with Client(settings) as client:
            yield client
    except RollcallError as exc:
        module.fail_json(msg=str(exc), message_id=exc.id)


def diff(header: str, before: t.Optional[Json], after: t.Optional[Json]) -> Json:
    """The diff of one thing, for `finish`; None: it does not exist before or after."""
    header = printable(header)  # Ansible shows it as it is
    return {
        "before_header": header,
        "after_header": header,
        "before": "" if before is None else before,
        "after": "" if after is None else after,
    }


def answer(module: Module, **result: t.Any) -> None:
    """End a module that only reads, with `result`, or with an error if Ansible would mask a part of it."""
    refuse_hidden(module, **result)
    module.exit_json(changed=False, **result)


def finish(module: Module, diffs: t.Sequence[Json], **result: t.Any) -> None:
    """End the module with `result`, and with `diffs` in diff mode.

    Values that Ansible would mask become null, with a warning. The change has been made, so this is not an error.
    """
    hidden = _secrets.places(result, module.no_log_values)
    if hidden:
        module.warn(
            f"{_hiding(hidden)}. The module returns null instead, so that no later task uses asterisks as a value",
            "RC-E-HIDDEN",
        )
        result = _secrets.without(result, module.no_log_values)
    if module._diff:
        result["diff"] = list(diffs)
    module.exit_json(**result)


def refuse_hidden(module: Module, **result: t.Any) -> None:
    """End the module with an error, before it changes anything, if these parts of its result contain a secret.

    Ansible would return asterisks instead of the secret, and a later task could write them back as the value.
    """
    hidden = _secrets.places(_utf8(result), module.no_log_values)
    if hidden:
        module.fail_readably(
            f"{_hiding(hidden)}. Nothing was changed. Use a longer password, or read the value with the lookup "
            "rollcall.discovery.etcd: Ansible does not mask the results of lookups [RC-E-HIDDEN]"
        )


def _hiding(places: t.Sequence[str]) -> str:
    more = f" and {len(places) - 3} more" if places[3:] else ""
    return (
        f"Cannot return {', '.join(places[:3])}{more}: it contains the password or another secret option of this task, "
        "which Ansible replaces with asterisks in every result"
    )


def readable(text: str) -> t.Any:
    """A value for a diff: a mapping or list as data, everything else as the text it is.

    A mapping with a key that Ansible reserves stays text as well, since a diff must not fail after a write.
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
        except UnicodeEncodeError:  # a lone surrogate outside surrogateescape's range
            raw = value.encode("utf-8", "backslashreplace")
        return raw.decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {_utf8(key): _utf8(inner) for key, inner in value.items()}
    return [_utf8(inner) for inner in value] if isinstance(value, (list, tuple)) else value
