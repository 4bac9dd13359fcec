#!/usr/bin/env bash
# Destroy the lab and remove what the handles left in the checkout. The virtual environments stay, so that the next
# handle starts at once: rm -rf .venv .venv-newest removes them too.
set -euo pipefail
cd "$(dirname "$0")/../.."

# First the lab: its state, without which nobody finds its processes again, lies in build.
if [ -d build/lab ]; then
    python=.venv/bin/python
    if [ ! -x "$python" ]; then python=python3; fi
    "$python" -m tests.lab destroy
fi
rm -rf build collections tests/output .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache \
    changelogs/.plugin-cache.yaml rollcall-discovery-*.tar.gz
find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
