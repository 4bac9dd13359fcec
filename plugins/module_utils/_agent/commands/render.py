# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall render`: keep files up to date with the registry.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys

from ..._etcd.client import Client
from ..._etcd.settings import refuse_empty
from ..._etcd.text import printable
from ..._registry.errors import NODE_NOTE, REJECTED
from ..._registry.following.mirror import State, read_state
from ..host import log
from ..host.clock import boottime
from ..host.locks import AlreadyRunning, Locked, Locks, RunDirectoryError
from ..host.shortage import patiently
from ..rendering import view
from ..rendering.applying import apply, make_jobs, preview
from ..rendering.commands import Commands
from ..rendering.guard import Guard, Held
from ..rendering.render_config import RenderConfig, load
from ..rendering.renderer import Renderer
from ..rendering.snapshot import Snapshot
from ..rendering.templates import require_jinja2

_LAST_WRITES = 5.0  # seconds at the end for a disk to take the last of it


EXAMPLES = (
    "rollcall render --check --diff",
    "rollcall render --once --config ./render.json --run-dir ./run --state-dir ./state",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        default="/etc/rollcall/render.json",
        help="configuration file (default: %(default)s)",
    )
    parser.add_argument(
        "--run-dir",
        metavar="DIRECTORY",
        default="/run/rollcall",
        help="directory of the locks and of render.json, the status (default: %(default)s)",
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIRECTORY",
        help="directory of the snapshot of the registry and of refused files (default: state_dir of the configuration)",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="render all files once and exit, with 1 after a failure")
    how.add_argument("--check", action="store_true", help="show the changes that --once would make, and write nothing")
    parser.add_argument("--diff", action="store_true", help="with --once or --check: show the difference of each file")


def run(args: argparse.Namespace) -> int:
    """Render until told to stop, or once; returns the exit status."""
    once = args.check or args.once
    config = _load(args) if once else patiently(lambda: _load(args), "read the configuration")
    require_jinja2()
    if args.check:
        return _render(config, args)
    locks = Locks(args.run_dir)
    if args.once:
        _lock(locks, config)
        return _render(config, args)
    with log.in_background():
        patiently(lambda: _lock(locks, config), "take the locks")
        patiently(lambda: Renderer(config, args.run_dir), "start").run()
    return 0


def _load(args: argparse.Namespace) -> RenderConfig:
    """The configuration, with the state directory of the command line. Raises RollcallError."""
    refuse_empty({"--state-dir": args.state_dir})
    return load(args.config, args.state_dir)


def _lock(locks: Locks, config: RenderConfig) -> None:
    """Keep other renderers away from the state directory and from each file. Raises RollcallError."""
    for path in (config.state_dir, *(os.path.realpath(file.dest) for file in config.files)):
        try:
            locks.take(f"render-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.lock")
        except Locked as exc:
            raise AlreadyRunning(
                f"Another rollcall render is at work here (process {exc.holder} holds {exc.path}, "
                f"the lock for {path}). Stop that one first"
            ) from None
        except OSError as exc:
            raise RunDirectoryError(f"Cannot use the run directory: {exc}. Name another one with --run-dir") from exc


def _render(config: RenderConfig, args: argparse.Namespace) -> int:
    """Read the registry now and render each file; prints `changed: FILE` or `ok: FILE`. Returns the exit status.

    With --check it only tells what would change.
    """
    with Client(config.settings) as client:
        state = read_state(client, config.selectors, config.layout)
    seen = view.build(state, config.layout, config.admission)
    refusal = Guard(config.layout, config.allow_empty).refusal(seen)
    if refusal:
        raise Held(f"{refusal} (etcd at {client.endpoint})")
    for rejected in seen.rejected:
        log.warning(f"Rejected: {rejected}", REJECTED)
    for note in seen.notes:
        log.warning(note, NODE_NOTE)
    jobs = make_jobs(config, args.run_dir, args.diff)
    if args.check:
        preview(jobs, seen, Commands())
    else:
        apply(jobs, seen, Commands(), boottime)
        _save(Snapshot(config.state_dir), state)
    for job in jobs:
        if job.error:
            log.error(job.error, job.error_id)
            continue
        sys.stdout.write(_printable_lines(job.diff))
        for file in job.status():
            sys.stdout.write(f"{'changed' if file['dest'] in job.changed else 'ok'}: {file['dest']}\n")
        sys.stdout.flush()
    return int(any(job.error for job in jobs))


def _save(snapshot: Snapshot, state: State) -> None:
    snapshot.save(state)
    if not snapshot.flush(_LAST_WRITES):
        text = "The snapshot of the registry is not written: a start without etcd will not know it"
        log.warning(text, "RC-E-SNAPSHOT")


def _printable_lines(text: str) -> str:
    """Lines of a file, which nodes have written parts of, for a terminal; tabs stay."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
