# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jinja2 templates. Jinja2 is imported where it is used: a node that only registers does without it.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import functools
import os
import typing as t

from ..._etcd.errors import RollcallError
from ..._registry.read_only import ReadOnlyDict
from ..._registry.select import select
from .dns_lookups import Lookups
from .expressions import Expressions
from .functions import FUNCTIONS, OF_THE_HOST
from .inputs import Function, Inputs, source
from .keystore import KeyStore, TemplateFailed
from .view import View

if t.TYPE_CHECKING:
    import jinja2

Json = t.Dict[str, t.Any]
_Code = t.Dict[str, t.Tuple[str, t.Any]]  # checksum of the source of a template, and the code that it was compiled to

_OF_A_DICT = frozenset(dir(dict))


def require_jinja2() -> None:
    """Raises NoJinja2 if Jinja2 is not installed, before anything else is done."""
    try:
        import jinja2  # noqa: F401  # only whether it can be had
    except ImportError as exc:
        raise NoJinja2(f"rollcall render needs Jinja2 ({exc}): install python3-jinja2") from exc


class NoJinja2(RollcallError):
    """Jinja2 is not installed."""

    id = "RC-E-JINJA2"


class Template:
    """One template file, read for every rendering, with what lies in its directory to include and import.

    Block tags on lines of their own leave nothing behind (trim_blocks, lstrip_blocks), and what is not defined is an
    error. `prefix` is omitted from the names of keys, as in confd.
    """

    def __init__(self, path: str, prefix: str = "") -> None:
        self.path = path
        self._prefix = prefix
        self._code: _Code = {}
        self._last: t.Optional[t.Tuple[View, Inputs, bytes]] = None

    def render(self, view: View) -> bytes:
        """The content of the file. Raises TemplateFailed.

        If nothing has changed that the last rendering has read, its content is still right.
        """
        if self._last is not None:
            before, inputs, content = self._last
            self._last = None
            if inputs.unchanged(before, view):
                self._last = view, inputs, content
                return content
        store = KeyStore(view.keys, self._prefix)
        inputs = Inputs(store.reads)
        content = self._render(view, store, inputs)
        self._last = view, inputs, content
        return content

    def _render(self, view: View, store: KeyStore, inputs: Inputs) -> bytes:
        import jinja2

        def nodes(**filters: t.Any) -> t.List[Json]:
            """All nodes that pass the filters, also critical, draining and maintained ones, unless `serving=true`."""
            found = select(view.nodes, **filters)
            inputs.note_nodes(filters)
            return [node.shared for node in found]

        try:
            functions = (store.exists, store.get, store.gets, store.getv, store.getvs, store.ls, store.lsdir, nodes)
            text = (
                _environment(os.path.dirname(self.path), functions, self._code, inputs)
                .get_template(os.path.basename(self.path))
                .render()
            )
        except jinja2.TemplateNotFound as exc:
            missing = os.path.join(os.path.dirname(self.path), exc.name or "")
            raise TemplateFailed(f"Template {self.path}: cannot read {missing}") from exc
        except jinja2.TemplateSyntaxError as exc:
            raise TemplateFailed(f"Template {exc.filename or self.path}, line {exc.lineno}: {exc.message}") from exc
        except Exception as exc:  # any failure of an expression of the template
            words = (
                str(exc) if isinstance(exc, (RollcallError, jinja2.TemplateError)) else f"{type(exc).__name__}: {exc}"
            )
            raise TemplateFailed(f"Template {self._place(exc)}: {words}") from exc
        return text.encode("utf-8", "surrogateescape")

    def _place(self, exc: Exception) -> str:
        """The file and line of a template where `exc` was raised."""
        directory = os.path.dirname(self.path)
        place, trace = self.path, exc.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if os.path.dirname(file) == directory:
                place = f"{file}, line {trace.tb_lineno}"
            trace = trace.tb_next
        return place


def _load(directory: str, name: str, inputs: Inputs) -> t.Optional[t.Tuple[str, str, t.Callable[[], bool]]]:
    """A template for jinja2.FunctionLoader, None if it does not exist."""
    from jinja2.loaders import split_template_path

    path = os.path.join(directory, *split_template_path(name))
    content = source(path)
    inputs.note_source(path, content)
    return None if content is None else (content.decode("utf-8"), path, lambda: True)


@functools.lru_cache(maxsize=None)
def _classes() -> t.Tuple[t.Type[jinja2.Environment], t.Callable[[_Code], jinja2.BytecodeCache]]:
    """Jinja2's own classes, faster where a template of ten thousand nodes spends its time."""
    import jinja2

    class Environment(jinja2.Environment):
        """Looks into a dict before its attributes, if no attribute can have that name."""

        def getattr(self, obj: t.Any, attribute: str) -> t.Any:
            if type(obj) in (ReadOnlyDict, dict) and attribute in obj and attribute not in _OF_A_DICT:
                return obj[attribute]
            return super().getattr(obj, attribute)

    class CodeCache(jinja2.BytecodeCache):
        """Keeps what the last source of each template was compiled to."""

        def __init__(self, code: _Code) -> None:
            self._code = code

        def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
            checksum, code = self._code.get(bucket.key, ("", None))
            if checksum == bucket.checksum:
                bucket.code = code

        def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
            self._code[bucket.key] = bucket.checksum, bucket.code

    return Environment, CodeCache


def _environment(directory: str, functions: t.Iterable[Function], code: _Code, inputs: Inputs) -> jinja2.Environment:
    """A new one for every rendering: it would keep what imported templates have set from the keys of before."""
    import jinja2

    environment_class, cache_class = _classes()
    environment = environment_class(
        bytecode_cache=cache_class(code),
        loader=jinja2.FunctionLoader(lambda name: _load(directory, name, inputs)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # configuration files, not HTML
    )
    # As globals, and not as variables, they are there in imported macros, too.
    elsewhere = {**OF_THE_HOST, **Lookups().functions()}
    noting = {name: inputs.elsewhere(function) for name, function in elsewhere.items()}
    plain = {**FUNCTIONS, **Expressions().functions(), **noting}
    environment.globals.update(plain)
    environment.filters = {**plain, **environment.filters}
    environment.globals.update({function.__name__: function for function in functions})
    return environment
