# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What etcd_user and etcd_role refuse before anything is sent. The rest of them needs a real etcd."""

from __future__ import annotations

import pytest

from tests.support.modules import Modules


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(("module", "option"), [("etcd_user", "users"), ("etcd_role", "roles")])
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["web1", "web2", "web1"], "expected each name once, got web1 more than once"),
        (["web1", ""], "got an empty one"),
    ],
)
def test_everyone_is_named_once(capsys, fake_etcd, module, option, names, words, state):
    items = [{"name": name, **({"password": "s3cret"} if module == "etcd_user" else {})} for name in names]
    refused = getattr(Modules(capsys, endpoints=[fake_etcd.endpoint]), module)(**{option: items, "state": state})
    assert words in refused["msg"]
    assert option in refused["msg"]
    assert not fake_etcd.received
