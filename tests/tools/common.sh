# shellcheck shell=bash
# What the shell tools of this folder share; sourced, with the checkout's root as working directory.

say() {
    printf '== %s\n' "$*" >&2
}

# The directory for what is slow to make and safe to keep between runs and checkouts: ansible-test's virtual
# environments, etcd servers of several versions. tests/tools/etcd_binaries.py follows the same rule.
cache_dir() {
    if [ -n "${ROLLCALL_TEST_CACHE:-}" ]; then
        echo "$ROLLCALL_TEST_CACHE"
    elif [ "$(id -u)" = 0 ]; then
        echo /var/cache/rollcall-tests
    else
        echo "${XDG_CACHE_HOME:-$HOME/.cache}/rollcall-tests"
    fi
}

# The directories of the Pythons that pyenv has installed, one a line.
pyenv_bins() {
    local bin
    for bin in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin; do
        if [ -d "$bin" ]; then echo "$bin"; fi
    done
}

# PATH with pyenv's shims replaced by the real interpreters. A shim exists for every version pyenv knows and exits
# with 127 for the ones not selected, which ansible-test takes for a broken Python and stops.
path_without_shims() {
    local real
    real=$(tr ':' '\n' <<<"$PATH" | grep -v '/shims/*$' || true)
    { echo "$real"; pyenv_bins; } | paste -s -d : -
}

# Print the first interpreter of the given versions ("3.11 3.12 …") that can make a virtual environment.
# Debian's own comes first: it is the one every reader of the README has.
find_python() {
    local version candidate
    for version in "$@"; do
        for candidate in "/usr/bin/python$version" $(PATH=$(path_without_shims) type -P -a "python$version"); do
            if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
                echo "$candidate"
                return
            fi
        done
    done
    return 1
}

# Keep ansible's tools away from the user's ansible.cfg and ~/.ansible: an old copy of this collection installed
# there would be tested in place of the checkout.
isolate_ansible() {
    local variable
    for variable in $(compgen -e | grep -E '^(ANSIBLE|ETCDCTL)_' || true); do
        unset "$variable"
    done
    mkdir -p build/ansible/collections
    : >build/ansible/ansible.cfg
    export ANSIBLE_HOME=$PWD/build/ansible
    export ANSIBLE_CONFIG=$PWD/build/ansible/ansible.cfg
    export ANSIBLE_COLLECTIONS_PATH=$PWD/build/ansible/collections
}
