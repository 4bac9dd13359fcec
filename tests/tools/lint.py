# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every gate that needs no server: `python -m tests.tools.lint [NAME ...]`, by default all of them.

A gate that passes is one line; of one that fails the whole output is shown. All of them run, whatever fails.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

LOGS = Path("build/lint")
SCRIPTS = " ".join(map(str, sorted(Path("tests/tools").glob("*.sh"))))

# The quick ones first. The tools are found on PATH (tests/tools/lint.sh).
GATES = {
    "ruff": "ruff check --quiet --output-format concise",
    "format": "ruff format --check --quiet --diff",
    "mypy": "mypy",
    # Node code runs on Python 3.8, and no linter for a newer one sees a call that 3.8 has not
    "python-3.8": "vermin --no-tips --violations --target=3.8- plugins/module_utils plugins/modules",
    "shellcheck": f"shellcheck --external-sources .ci/run tests/demo.sh {SCRIPTS}",
    "yamllint": "yamllint --strict .",
    "language": "python -m tests.tools.language",
    "changelog": "antsibull-changelog lint",
    "docs": "antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all .",
    "site": "tests/tools/docs.sh",
    "ansible-lint": "ansible-lint --nocolor",
    "galaxy": "tests/tools/galaxy.sh",
    "sanity-oldest": "tests/tools/sanity.sh .venv",
    "sanity-newest": "tests/tools/sanity.sh .venv-newest",
}


def check(name: str) -> bool:
    """Run one gate, report it, and return whether it passed."""
    if name == "sanity-newest" and not Path(".venv-newest").exists():
        print(f"skipped  {name}: no Python 3.12 or newer for the newest ansible-core")
        return True
    log = LOGS / f"{name}.log"
    started = time.monotonic()
    with log.open("w") as output:
        status = subprocess.run(GATES[name].split(), stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    took = time.monotonic() - started
    print(f"{'failed ' if status else 'ok     '}  {name} ({took:.0f} s): {GATES[name]}", flush=True)
    if status:
        print(log.read_text(errors="replace"), flush=True)
    return status == 0


def main(names: list[str]) -> int:
    """Run the named gates, or all; the exit status says whether all passed."""
    unknown = [name for name in names if name not in GATES]
    if unknown:
        print(f"no such gate: {', '.join(unknown)}; there are {', '.join(GATES)}", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    wanted = names or list(GATES)
    print(f"{len(wanted)} gates; ansible-test takes 3 minutes for an ansible-core the first time, then less than one")
    failed = [name for name in wanted if not check(name)]
    verdict = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"lint: {len(wanted)} gates, {verdict}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
