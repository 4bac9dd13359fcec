# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module shares: its connection options, its client, its errors, its diff.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.validation import check_required_if, check_required_one_of, check_required_together

from . import _options
from ._etcd.client import Client
from ._etcd.errors import RollcallError

Json = t.Dict[str, t.Any]


class Module(AnsibleModule):
    """Its results are UTF-8, whatever etcd holds: bytes that are not are shown as C writes them, as in `\\xff`.

    Ansible fails a task whose result is not UTF-8, also where the module has done its work.
    """

    def exit_json(self, **kwargs: t.Any) -> t.NoReturn:
        super().exit_json(**_utf8(kwargs))

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        super().fail_json(_utf8(msg), **_utf8(kwargs))


def create_module(options: Json, *tables: _options.Table, **rules: t.Any) -> AnsibleModule:
    """A module with its own `options`, those of the connection and of `tables`; `rules` as AnsibleModule takes them."""
    spec = {**_options.argument_spec(_options.CONNECTION, *tables), **options}
    module = Module(argument_spec=spec, supports_check_mode=True, **rules)
    _check_given(module, rules)
    if not module.params["password"]:
        _user, _colon, password = (module.params["user"] or "").partition(":")  # as ETCDCTL_USER has it
        module.no_log_values.update(filter(None, [password]))
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


@contextlib.contextmanager
def connect(module: AnsibleModule) -> t.Iterator[Client]:
    """A client for the block, in which every RollcallError ends the module with its message."""
    try:
        with Client(_options.settings(module.params)) as client:
            yield client
    except RollcallError as exc:
        module.fail_json(msg=str(exc))


def diff(header: str, before: t.Optional[Json], after: t.Optional[Json]) -> Json:
    """What `finish` takes for one thing that changed; None stands for what is not there."""
    return {
        "before_header": header,
        "after_header": header,
        "before": "" if before is None else before,
        "after": "" if after is None else after,
    }


def finish(module: AnsibleModule, diffs: t.Sequence[Json], **result: t.Any) -> None:
    """End the module with `result`, and with `diffs` where the user asks for them."""
    if module._diff:
        result["diff"] = list(diffs)
    module.exit_json(**result)


def _utf8(value: t.Any) -> t.Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {_utf8(key): _utf8(inner) for key, inner in value.items()}
    return [_utf8(inner) for inner in value] if isinstance(value, (list, tuple)) else value
