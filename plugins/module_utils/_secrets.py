# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the secrets among the parameters of a module before anything else reads the parameters.

Internal to the collection: no promise is made to other users of this file.

AnsibleModule masks the values of `no_log` options, but it stops at the first parameter of a wrong type, and it shows
the values of unknown options. The functions here accept parameters of any type.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Mapping

from ansible.module_utils.common.validation import check_type_dict

Json = t.Dict[str, t.Any]

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # as AnsibleModule writes it

_CREDENTIALS = re.compile(
    r"(?:[a-z0-9+.-]+://)?[^:@]*:(.*)@", re.IGNORECASE | re.DOTALL
)  # as in http://name:password@host
_LOCATIONS = ("endpoints", "host", "discovery_srv")


def find(params: t.Any, spec: Json) -> t.Set[str]:
    """All strings that must not appear in a result, message or log: `params` as the user gave them, with their spec."""
    found = set(_of_spec(params, spec))
    if isinstance(params, Mapping):
        found.update(_passwords(params))
    # Messages also contain values as Python or JSON literals.
    written = {form(text)[1:-1] for text in found for form in (repr, json.dumps)}
    return {text for text in found | written if text}


def redacted(params: t.Any, spec: Json) -> t.Any:
    """The parameters for a result: without secrets, and without the values of unknown options."""
    if _is_list(params):
        return [redacted(item, spec) for item in params]
    if not isinstance(params, Mapping):
        return HIDDEN if params is not None and _holds_secret(spec) else params
    options = _options(spec)
    return {name: _redacted_value(value, options.get(name)) for name, value in params.items()}


def places(result: Json, secrets: t.Collection[str]) -> t.List[str]:
    """The places in a result where AnsibleModule would mask one of the `secrets`, such as `revision` or `kvs[0]`."""
    found = []
    for name, value in result.items():
        items = [(f"{name}[{index}]", item) for index, item in enumerate(value)] if _is_list(value) else [(name, value)]
        found += [place for place, item in items if without(item, secrets) != item]
    return found


def without(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """The value with null instead of each part that contains one of the `secrets`."""
    if isinstance(value, Mapping):
        return {name: without(inner, secrets) for name, inner in value.items()}
    if _is_list(value):
        return [without(inner, secrets) for inner in value]
    return None if _is_hidden(value, secrets) else value


def _is_list(value: t.Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_hidden(value: t.Any, secrets: t.Collection[str]) -> bool:
    if value is None or isinstance(value, bool):
        return False
    text = str(value)
    return any(secret in text for secret in secrets)


def _redacted_value(value: t.Any, option: t.Optional[Json]) -> t.Any:
    if value is None:
        return None
    if option is None or option.get("no_log"):
        return HIDDEN
    if "options" in option:
        return redacted(value, option["options"])
    return value if _is_data(option) else _without_keys(value)


def _is_data(option: Json) -> bool:
    """Whether the option holds mappings of the user's own."""
    return option.get("type") in ("dict", "raw") or option.get("elements") in ("dict", "raw")


def _misplaced(value: t.Any) -> t.Iterator[str]:
    """Passwords in the mappings of an option that should hold none: Ansible makes text of them, and shows it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner) if "passw" in str(name).lower() else _misplaced(inner)
    elif _is_list(value):
        for inner in value:
            yield from _misplaced(inner)


def _without_keys(value: t.Any) -> t.Any:
    """A value that should contain no mapping, with mappings masked: Ansible does not search their keys for secrets."""
    if isinstance(value, Mapping):
        return HIDDEN
    return list(map(_without_keys, value)) if _is_list(value) else value


def _of_spec(params: t.Any, spec: Json) -> t.Iterator[str]:
    """The values of all `no_log` options, and all content of a non-mapping where the spec expects such options."""
    if _is_list(params):
        for item in params:
            yield from _of_spec(item, spec)
        return
    if not isinstance(params, Mapping):
        if _holds_secret(spec):
            yield from _leaves(params)
            parsed = _parsed(params)
            if parsed is not None:
                yield from _of_spec(parsed, spec)
        return
    options = _options(spec)
    for name, value in params.items():
        option = options.get(name, {})
        if option.get("no_log"):
            yield from _leaves(value)
            yield str(value or "")  # AnsibleModule converts a list to its text
        elif "options" in option:
            yield from _of_spec(value, option["options"])
        elif not _is_data(option):
            yield from _misplaced(value)


def _passwords(params: Json) -> t.Iterator[str]:
    """Secrets in other options: `user` in etcdctl's form user:password, and by mistake in URLs and `client_key`.

    If a comma or slash splits such a password, its parts are secret, too.
    """
    user = params.get("user")
    if isinstance(user, (Mapping, list, tuple)):
        yield from _leaves(user)
    for text in _leaves(user):
        yield text.partition(":")[2]
    for url in (url for name in _LOCATIONS for url in _leaves(params.get(name))):
        matches = [_CREDENTIALS.match(part) for part in url.split(",")]
        for match in matches if any(matches) else [_CREDENTIALS.match(url)]:
            if match:
                yield from (match[1], *re.split("[,/?#]", match[1]))
    for name in ("client_key", "cert_key", "key_file"):
        for key in _leaves(params.get(name)):
            if "PRIVATE KEY" in key:  # the key itself instead of the name of its file
                yield from (key, *(line for line in key.splitlines() if len(line) > 20 and "PRIVATE" not in line))


def _leaves(value: t.Any) -> t.Iterator[str]:
    """All strings and numbers in `value` as text, including the keys of mappings."""
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)


def _parsed(value: t.Any) -> t.Optional[Json]:
    """The mapping that AnsibleModule parses from a text such as `name=web password=x`, or None."""
    try:
        parsed = check_type_dict(value)
        return parsed if isinstance(parsed, dict) else None
    except (TypeError, ValueError, RecursionError):
        return None


def _options(spec: Json) -> Json:
    """The options of a spec by name and alias."""
    return {name: option for key, option in spec.items() for name in (key, *option.get("aliases", ()))}


def _holds_secret(spec: Json) -> bool:
    return any(option.get("no_log") or _holds_secret(option.get("options") or {}) for option in spec.values())
