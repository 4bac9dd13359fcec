#!/usr/bin/env bash
# Run the gates of tests/tools/lint.py with the tools of .venv: lint.sh [GATE ...].
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/common.sh

isolate_ansible
PATH=$PWD/.venv/bin:$(path_without_shims)
export PATH
exec python -m tests.tools.lint "$@"
