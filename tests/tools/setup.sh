#!/usr/bin/env bash
# Make what the other handles need: Debian packages, .venv with the oldest supported ansible-core and every tool,
# .venv-newest with the newest one, and a link that makes the checkout importable as a collection in both.
# Safe to run again, and quick when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/common.sh

POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="rollcall tests: no service starts while packages are installed"

missing_packages() {
    local wanted
    wanted=$(sed -e 's/ *#.*//' -e '/^$/d' tests/requirements/apt.txt | sort)
    # shellcheck disable=SC2086  # one word for each package
    comm -23 <(echo "$wanted") <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
        sed -n 's/ installed$//p' | sort)
}

# Run a command with Debian's own switch thrown that keeps packages from starting their services: etcd on its default
# ports would stand in the way of whatever the user runs there. A switch that is the machine's own is left alone.
without_starting_services() {
    if [ -e "$POLICY" ] && ! grep -q "$POLICY_MARK" "$POLICY"; then
        "$@"
        return
    fi
    printf '#!/bin/sh\n# %s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
    chmod 755 "$POLICY"
    trap 'rm -f "$POLICY"' EXIT
    "$@"
    rm -f "$POLICY"
    trap - EXIT
}

install_packages() {
    local missing service
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian machine: provide what tests/requirements/apt.txt lists by other means"
        return
    fi
    missing=$(missing_packages | paste -s -d ' ' -)
    if [ -z "$missing" ]; then return; fi
    if [ "$(id -u)" != 0 ]; then
        say "missing Debian packages, some handles will fail without them; as root: apt-get install $missing"
        return
    fi
    say "installing Debian packages: $missing"
    apt-get update -qq || say "apt-get update had errors, going on with what it got"
    # shellcheck disable=SC2086  # one word for each package
    DEBIAN_FRONTEND=noninteractive without_starting_services apt-get install -y -qq --no-install-recommends $missing
    # Not at the next boot either; a service that was here before was not in $missing and is not touched.
    for service in etcd-server:etcd haproxy:haproxy; do
        if [[ " $missing " == *" ${service%%:*} "* ]] && command -v systemctl >/dev/null; then
            systemctl disable --quiet "${service##*:}"
        fi
    done
}

# What a virtual environment depends on: its own place (scripts carry absolute paths) and its requirements.
stamp_of() {
    { echo "$PWD/$1"; cat "$2"; } | sha256sum
}

up_to_date() {
    [ "$(cat "$1/.stamp" 2>/dev/null)" = "$(stamp_of "$1" "$2")" ] && "$1/bin/python" -c '' 2>/dev/null
}

# make_venv DIRECTORY REQUIREMENTS PYTHON
make_venv() {
    local venv=$1 requirements=$2 python=$3 uv=.venv/bin/uv
    say "making $venv with $("$python" -V) ($python)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    if [ ! -x "$uv" ]; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep '^uv==' "$requirements")" || true
    fi
    if ! "$uv" pip install --quiet --python "$venv/bin/python" -r "$requirements"; then
        say "uv did not manage, trying pip (takes minutes)"
        "$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off -r "$requirements"
    fi
    stamp_of "$venv" "$requirements" >"$venv/.stamp"
}

# Every program of the venv finds the checkout, whatever its folder is called, without any environment variable.
link_collection() {
    local site
    for site in "$1"/lib/python3.*/site-packages; do
        mkdir -p "$site/ansible_collections/rollcall"
        ln -sfn "$PWD" "$site/ansible_collections/rollcall/discovery"
    done
}

main() {
    local python
    install_packages
    if ! up_to_date .venv tests/requirements/dev.txt; then
        if ! python=$(find_python 3.11 3.12 3.13); then
            say "no Python 3.11 to 3.13 with venv found (on Debian: apt-get install python3-venv)"
            exit 1
        fi
        make_venv .venv tests/requirements/dev.txt "$python"
    fi
    link_collection .venv
    if ! up_to_date .venv-newest tests/requirements/newest.txt; then
        if ! python=$(find_python 3.13 3.12 3.14); then
            rm -rf .venv-newest
            say "SKIPPED: no Python 3.12 or newer found, so nothing is tested with the newest ansible-core"
            return
        fi
        make_venv .venv-newest tests/requirements/newest.txt "$python"
    fi
    link_collection .venv-newest
}

# Two handles started at once must not both build the environments.
mkdir -p build
exec 9>build/setup.lock
flock 9
main
