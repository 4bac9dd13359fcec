#!/usr/bin/env bash
# Run one layer of the tests: pytest.sh LAYER [pytest's arguments].
# The integration layer runs twice, with the oldest supported ansible-core and, where a Python for it was found, with
# the newest, but for the programs of the nodes, which know nothing of Ansible. Its tests mostly wait for leases to end
# and the like, so two files run at a time. The counts are left in build/reports for the summary of tests/tools/suite.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/common.sh

layer=$1
shift

run() {
    local venv=$1
    shift
    PATH="$PWD/$venv/bin:$(path_without_shims)" "$venv/bin/python" -m pytest "tests/$layer" \
        --junitxml="build/reports/$layer$venv.xml" "$@"
}

isolate_ansible
rm -f "build/reports/$layer".*.xml
if [ "$layer" = integration ]; then set -- --numprocesses 2 --dist loadfile "$@"; fi
status=0
run .venv "$@" || status=$?
if [ "$layer" = integration ]; then
    if [ -d .venv-newest ]; then
        again=0
        # The stories of credentials are whole plays of roles; what they ask of Ansible others ask of the newest, too.
        run .venv-newest --ignore tests/integration/agent --ignore tests/integration/render --ignore tests/integration/docs \
            --ignore tests/integration/roles/test_credentials.py "$@" || again=$?
        # 5: the selection has no such test, which is for the first run to judge
        if [ "$again" != 0 ] && [ "$again" != 5 ]; then status=$again; fi
    else
        say "SKIPPED: integration with the newest ansible-core (no Python 3.12 or newer)"
    fi
fi
exit "$status"
