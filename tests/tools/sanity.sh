#!/usr/bin/env bash
# ansible-test sanity of the checkout, with the ansible-core of one of its virtual environments: sanity.sh .venv
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/common.sh

venv=$PWD/$1
home=$(cache_dir)/ansible-test
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

# ansible-test accepts only .../ansible_collections/<namespace>/<name>, and inside a git repository it tests what that
# repository tracks: in an ignored directory that is nothing, and passes. So a copy, outside of any repository.
collection=$stage/ansible_collections/rollcall/discovery
mkdir -p "$collection"
# What users do not get (tests/, .ci/) is not in it: ruff, mypy and shellcheck look after that.
git ls-files -z --cached --others --exclude-standard -- ':!tests' ':!.ci' |
    while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
    tar --null -T - -cf - | tar -xf - -C "$collection"

# It keeps its environments and its copy of get-pip in HOME: the user's is left alone, ours stays for the next run.
mkdir -p "$home/.ansible/test/cache"
version=$(sed -n "s/^ *pip='\([0-9.]*\)'.*/\1/p" \
    "$venv"/lib/python3.*/site-packages/ansible_test/_internal/python_requirements.py | head -n 1)
cp tests/tools/get_pip_stub.py "$home/.ansible/test/cache/get_pip_${version//./_}.py"
if [ -f "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" ]; then
    mkdir -p "$home/.config/pip"
    cp "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "$home/.config/pip/pip.conf"
fi

python=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
path=$venv/bin:$(path_without_shims)
isolate_ansible
mkdir -p build/lint
log=$PWD/build/lint/ansible-test-$1.log
cd "$collection"
HOME=$home PATH=$path ansible-test sanity --local --color no 2>&1 | tee "$log"

# A run that found nothing to test ends well, too.
if ! grep -q 'Running sanity test "validate-modules"' "$log" ||
    ! grep -q "Running sanity test \"import\" on Python $python" "$log"; then
    echo "ansible-test did not test the collection: see $log" >&2
    exit 1
fi
