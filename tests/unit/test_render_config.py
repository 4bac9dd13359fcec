# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of the renderer: what it means, and what is refused with file and key."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.config import ConfigError
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.render_config import Timing, load
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import Selector

FILE = {"src": "/t/a.j2", "dest": "/etc/a.cfg"}


@pytest.fixture
def loaded(tmp_path):
    def loaded(file=None, **options):
        path = tmp_path / "render.json"
        path.write_text(json.dumps({"name": "lb1", "templates": [{**FILE, **(file or {})}], **options}))
        return load(str(path))

    return loaded


def test_defaults(loaded):
    config = loaded()
    assert (config.name, config.state_dir, config.allow_empty, config.consumer_ttl) == (
        "lb1",
        "/var/lib/rollcall",
        False,
        30,
    )
    assert config.timing == Timing(quiet=0.3, max_wait=3.0, retry=30.0, retry_max=600.0)
    assert (config.intervals.heartbeat, config.intervals.resync) == (30.0, 300.0)
    [file] = config.files
    assert (file.check_timeout, file.reload_timeout, file.uid, file.mode) == (30.0, 60.0, None, None)
    assert config.selectors == (Selector("/infrastructure/"), Selector("/rollcall/infrastructure/maintenance/"))


def test_owner_group_mode(loaded):
    [file] = loaded({"owner": "root", "group": "0", "mode": "0640"}).files
    assert (file.uid, file.gid, file.mode) == (0, 0, 0o640)


def test_keys_are_the_key_and_what_is_below_it(loaded):
    config = loaded({"keys": ["/app", "/db/", "/infrastructure/web"]})
    assert config.selectors[2:] == (Selector("/app", False), Selector("/app/"), Selector("/db/"))


def test_the_prefix_of_a_template_is_put_before_its_keys(loaded):
    [file] = loaded({"prefix": "/prod/", "keys": ["/app/"]}).files
    assert (file.prefix, file.keys) == ("/prod", ("/prod/app/",))


def test_a_dest_stays_as_it_is_written_since_links_may_move(loaded, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    [file] = loaded({"dest": f"{tmp_path}/./link/app.cfg"}).files
    assert file.dest == f"{tmp_path}/link/app.cfg"


def test_two_names_of_one_file_are_refused(loaded, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files = [{**FILE, "dest": f"{tmp_path}/{name}/a"} for name in ("link", "real")]
    with pytest.raises(ConfigError, match="templates: .*/real/a is the dest of more than one"):
        loaded(templates=files)


def test_files_name_their_set_and_a_check_may_name_its_directory(loaded):
    [file] = loaded({"set": "app-1.x", "check_cmd": "check {dir}"}).files
    assert (file.set, file.check_cmd) == ("app-1.x", "check {dir}")
    assert loaded().files[0].set == ""


@pytest.mark.parametrize("key", ["prefix", "check_cmd", "reload_cmd", "owner", "group", "mode", "set"])
def test_key_of_a_template_that_is_given_and_empty_is_an_error(loaded, key):
    with pytest.raises(
        ConfigError, match=rf"templates\[0\].{key}: expected a value, got an empty one. Leave the key out"
    ):
        loaded({key: ""})


@pytest.mark.parametrize(
    ("key", "empty"),
    [("prefix", ""), ("state_prefix", ""), ("layout", ""), ("name", ""), ("state_dir", ""), ("allowed_networks", [])],
)
def test_key_that_is_given_and_empty_is_an_error(loaded, key, empty):
    with pytest.raises(ConfigError, match=f"render.json: {key}: expected a value, got an empty one. Leave the key out"):
        loaded(**{key: empty})


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"srcs": "x"}, r"templates\[0\].srcs: unknown key; known are: check_cmd, "),
        ({"src": ""}, r"templates\[0\].src: expected a value, got an empty one"),
        ({"src": "a.j2"}, r"templates\[0\].src: 'a.j2' is not an absolute path"),
        ({"mode": "420"}, r"mode: '420' is no octal number"),
        ({"mode": 420}, r"mode: a text is wanted"),
        ({"owner": "no-such-user"}, r"owner: there is no owner 'no-such-user' on this host"),
        ({"owner": "²"}, r"owner: there is no owner '²' on this host"),
        ({"group": "4294967295"}, r"group: 4294967295 is larger than any group's number \(4294967294\)"),
        ({"check_cmd": "haproxy -c -f /etc/a.cfg"}, r"check_cmd: it has no \{src\} in it"),
        ({"keys": ["app"]}, r"keys: 'app' does not begin with a slash"),
        ({"keys": [""]}, r"keys: '' does not begin with a slash"),
        ({"keys": ["/"]}, r"keys: '/' has /rollcall/infrastructure/consumers/ in it"),
        ({"keys": ["/rollcall/infrastructure/consumers/lb1"]}, "changes with every rendering"),
        ({"prefix": "app"}, r"prefix: 'app' does not begin with a slash"),
        ({"set": "a/b"}, "set: expected a name of letters, digits, .*, got 'a/b'"),
        ({"check_timeout": 0}, r"check_timeout: 0 is not a number of seconds"),
    ],
)
def test_what_is_refused_in_a_template(loaded, file, message):
    with pytest.raises(ConfigError, match="render.json: .*" + message):
        loaded(file)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"templates": []}, "templates: expected at least one template"),
        ({"templates": [{**FILE, "dest": FILE["src"]}]}, "templates: .* is both a template and a dest"),
        ({"templates": [FILE, FILE]}, "templates: /etc/a.cfg is the dest of more than one"),
        ({"allow_emtpy": True}, "allow_emtpy: unknown key"),
        ({"name": "l b"}, "name: the name 'l b' is not a host name"),
        ({"timing": {"quite": 1}}, "timing.quite: unknown key"),
        ({"intervals": {"heartbeat": 0}}, "intervals.heartbeat: 0 is not a number of seconds"),
        ({"consumer_ttl": 1}, "consumer_ttl: 1 is not a whole number from 2"),
        ({"allowed_networks": ["10.0.0.0/33"]}, "allowed_networks"),
        ({"etcd": {"endpoints": ["http://a:b"]}}, "etcd: etcd endpoint: expected"),
    ],
)
def test_what_is_refused(loaded, options, message):
    with pytest.raises(ConfigError, match="render.json: .*" + message):
        loaded(**options)
