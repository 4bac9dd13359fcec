# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rendering is repeated if, and only if, something that it has read has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.keystore import TemplateFailed
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.templates import Template
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.view import View, ViewBuilder
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import Selector, State
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout

NAMES = ["web/n1", "web/n2", "db/n1"]
KEYS = [*(f"/infrastructure/{name}/{leaf}" for name in NAMES for leaf in ("ip", "health")), "/app/a", "/app/b/c"]
VALUES = {"ip": ["10.0.0.1", "10.0.0.2"], "health": ["passing", "drain"]}

TEMPLATES = [
    "{{ nodes() }}",
    "{{ nodes(role='web') }}",
    "{{ nodes(role=['db', 'none'], serving=true) | map(attribute='address') | list }}",
    "{% set roles = ['web', 'db'] %}{{ nodes(role=roles) }}{{ roles.remove('db') }}",
    "{{ getv('/app/a') }}",
    "{{ getv('/app/a', 'none') }} {{ exists('/app/b') }}",
    "{{ ls('/app') }} {{ lsdir('/infrastructure') }}",
    "{{ gets('/app/*') }} {{ gets('/app/b/*') }}",
    "{{ gets('/*/a') }}",
    "{% for name in ls('/infrastructure/web') %}{{ getv('/infrastructure/web/' ~ name ~ '/ip', '') }}{% endfor %}",
]


def built(builder: ViewBuilder, values: dict[str, str], revisions: dict[str, int]) -> View:
    """The view of these values, each key written at its revision."""
    keys: dict[Selector, dict[str, KeyValue]] = {Selector("/infrastructure/"): {}, Selector("/app/"): {}}
    for key, value in values.items():
        [selector] = [selector for selector in keys if key.startswith(selector.key)]
        keys[selector][key] = KeyValue(key, value, 1, revisions[key], 1, 7)
    return builder.build(State(max([0, *revisions.values()]), "c", keys))


def rendered(template: Template, view: View) -> bytes | str:
    try:
        return template.render(view)
    except TemplateFailed as exc:
        return str(exc)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    directory = tmp_path_factory.mktemp("templates")
    for number, text in enumerate(TEMPLATES):
        (directory / f"{number}.j2").write_text(text)
    return [str(directory / f"{number}.j2") for number in range(len(TEMPLATES))]


CHANGES = st.sampled_from(KEYS).flatmap(
    lambda key: st.tuples(st.just(key), st.sampled_from([None, *VALUES.get(key.rpartition("/")[2], ["x", "y"])]))
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.lists(CHANGES, min_size=1, max_size=3), min_size=1, max_size=8))
def test_what_is_not_rendered_again_would_have_been_the_same(
    paths: list[str], steps: list[list[tuple[str, str | None]]]
) -> None:
    builder, templates = ViewBuilder(Layout()), [Template(path) for path in paths]
    values: dict[str, str] = {}
    revisions: dict[str, int] = {}
    for number, batch in enumerate(steps):
        for key, value in batch:
            values.pop(key, None)
            if value is not None:
                values[key], revisions[key] = value, number
        view = built(builder, values, revisions)
        assert [rendered(template, view) for template in templates] == [
            rendered(Template(path), view) for path in paths
        ]


class Renderings:
    """A template and a registry; counts how often the template is really rendered."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory, self.count = directory, 0
        self.builder, self.values, self.revisions = ViewBuilder(Layout()), dict[str, str](), dict[str, int]()
        self.template = Template(str(directory / "main.j2"))
        render = self.template._render

        def counted(*args: Any) -> bytes:
            self.count += 1
            return render(*args)

        monkeypatch.setattr(self.template, "_render", counted)
        self.put("/infrastructure/web/n1/ip", "10.0.0.1")
        self.put("/infrastructure/db/n2/ip", "10.0.0.2")
        self.put("/app/a", "1")

    def put(self, key: str, value: str) -> None:
        self.values[key], self.revisions[key] = value, len(self.revisions) + 1

    def again(self, text: str, change: Callable[[], object]) -> bool:
        """Whether a change lets the template `text` be rendered again."""
        (self.directory / "main.j2").write_text(text)
        self.template.render(built(self.builder, self.values, self.revisions))
        change()
        before = self.count
        self.template.render(built(self.builder, self.values, self.revisions))
        return self.count > before


@pytest.fixture
def renderings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Renderings]:
    yield Renderings(tmp_path, monkeypatch)


def test_only_what_was_read_counts(renderings: Renderings) -> None:
    web, text = "{{ nodes(role='web') }}", iter(range(100))

    def put(key: str) -> Callable[[], None]:
        return lambda: renderings.put(key, f"10.0.1.{next(text)}")

    assert not renderings.again(web, put("/infrastructure/db/n2/ip"))
    assert not renderings.again(web, put("/app/a"))
    assert renderings.again(web, put("/infrastructure/web/n1/ip"))
    assert renderings.again(web, put("/infrastructure/web/n3/ip"))
    assert not renderings.again("{{ getv('/app/a') }}", put("/infrastructure/web/n1/ip"))
    assert renderings.again("{{ getv('/app/a') }}", put("/app/a"))
    assert renderings.again("{{ exists('/app/c') }}", put("/app/c"))


def test_an_edited_or_new_template_counts(renderings: Renderings) -> None:
    text = "{% include 'part.j2' ignore missing %}"
    assert not renderings.again(text, lambda: None)
    assert renderings.again(text, lambda: (renderings.directory / "part.j2").write_text("1"))
    assert renderings.again(text, lambda: (renderings.directory / "part.j2").write_text("2"))
    assert renderings.again(text, lambda: (renderings.directory / "main.j2").write_text("other"))


@pytest.mark.parametrize(
    "call", ["fileExists('/nowhere')", "'/nowhere' | fileExists", "lookupIP('localhost')", "hostname()"]
)
def test_what_is_asked_of_the_host_or_of_dns_is_asked_each_time(renderings: Renderings, call: str) -> None:
    assert renderings.again("{{ " + call + " }}", lambda: None)


def test_a_rendering_that_fails_is_repeated(renderings: Renderings) -> None:
    text = "{{ getv('/app/none') }}"
    for _time in range(2):
        with pytest.raises(TemplateFailed):
            renderings.again(text, lambda: None)
    assert renderings.count == 2
