#!/usr/bin/env bash
# Run the scenarios in extensions/molecule, one for each role, or those that are named: molecule.sh [SCENARIO...].
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/common.sh

isolate_ansible
PATH="$PWD/.venv/bin:$(path_without_shims)"
export PATH

scenarios=(--all)
if [ "$#" != 0 ]; then
    scenarios=()
    for name in "$@"; do scenarios+=(--scenario-name "$name"); done
fi
exec molecule test "${scenarios[@]}" --report
