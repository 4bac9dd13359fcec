#!/usr/bin/env bash
# Run one layer of the tests: pytest.sh LAYER [pytest's arguments].
# The integration layer runs twice, with the oldest supported ansible-core and, where a Python for it was found, with
# the newest. The counts are left in build/reports for the summary of tests/tools/suite.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/common.sh

layer=$1
shift
status=0
venvs=(.venv)
if [ "$layer" = integration ]; then
    if [ -d .venv-newest ]; then
        venvs+=(.venv-newest)
    else
        say "SKIPPED: integration with the newest ansible-core (no Python 3.12 or newer)"
    fi
fi

isolate_ansible
rm -f "build/reports/$layer"*.xml
path=$(path_without_shims)
for venv in "${venvs[@]}"; do
    PATH="$PWD/$venv/bin:$path" "$venv/bin/python" -m pytest "tests/$layer" \
        --junitxml="build/reports/$layer$venv.xml" "$@" || status=$?
done
exit "$status"
