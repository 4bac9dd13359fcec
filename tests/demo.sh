#!/usr/bin/env bash
# The demo, run by `make demo`: six real hosts, the collection as a user installs it, its playbook run over SSH, and then
# everything that is promised, seen happening. The hosts are left running.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/tools/common.sh
isolate_ansible

OUT=build/demo # the installed collection, logs of the playbooks, every request that was made
INVENTORY=tests/lab/etcd.yml
PLAYS=tests/lab/hosts.yml
BALANCER=http://10.77.213.31/

export LC_ALL=C.UTF-8
export PATH="$PWD/.venv/bin:$PATH"
export ANSIBLE_COLLECTIONS_PATH=$PWD/$OUT/collections
export ANSIBLE_FORKS=10 ANSIBLE_PIPELINING=1

if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'; else BOLD='' DIM='' PLAIN=''; fi
STEP="the preparations"
REQUESTS=""

title() {
    STEP=$1
    printf '\n%s%s%s\n' "$BOLD" "$1" "$PLAIN"
}

tell() {
    printf '  %s\n' "$*"
}

# Run a command that the user could type, and show both.
show() {
    printf '  %s$ %s%s\n' "$DIM" "$*" "$PLAIN"
    timeout 120 "$@" | sed 's/^/  /'
}

fail() {
    printf '\nThe demo failed at "%s": %s\n' "$STEP" "$*" >&2
    exit 1
}

finish() {
    local status=$?
    if [ -n "$REQUESTS" ]; then kill "$REQUESTS" 2>/dev/null || true; fi
    if [ "$status" != 0 ]; then
        printf '\nThe demo ended early, at "%s". Logs are in %s/; the hosts are left as they are:\n' "$STEP" "$OUT" >&2
        printf '  .venv/bin/python -m tests.lab list           make clean   destroys them\n' >&2
    fi
}
trap finish EXIT

now() { # milliseconds
    echo $((${EPOCHREALTIME/./} / 1000))
}

seconds() { # of milliseconds
    printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# within SECONDS WHAT COMMAND…: wait until the command succeeds.
within() {
    local limit=$1 what=$2 start=$SECONDS
    shift 2
    until "$@"; do
        if [ $((SECONDS - start)) -ge "$limit" ]; then fail "not so after $limit s: $what"; fi
        sleep 0.2
    done
}

# What a playbook is doing: on a terminal one line that changes, elsewhere one every ten seconds.
progress() {
    local line shown=-10 start=$SECONDS task
    while IFS= read -r line; do
        case $line in
            PLAY\ \[* | TASK\ \[*)
                task=${line#* [}
                task=${task%%]*}
                if [ -t 1 ]; then
                    printf '\r  %s%4d s  %.90s%s\e[K' "$DIM" $((SECONDS - start)) "$task" "$PLAIN"
                elif [ $((SECONDS - shown)) -ge 10 ]; then
                    shown=$SECONDS
                    printf '  %4d s  %.90s\n' $((SECONDS - start)) "$task"
                fi
                ;;
        esac
    done
    if [ -t 1 ]; then printf '\r\e[K'; fi
}

# play NAME: run a playbook of the installed collection; its output goes to a log.
play() {
    local log="$OUT/$1.log"
    printf '  %s$ ansible-playbook -i %s rollcall.discovery.%s%s\n' "$DIM" "$PLAYS" "$1" "$PLAIN"
    if ! timeout 1200 ansible-playbook -i "$PLAYS" "rollcall.discovery.$1" 2>&1 | tee "$log" | progress; then
        grep -E -A 15 '^\[ERROR\]|^fatal|UNREACHABLE' "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
        fail "the playbook $1 failed; all of its output is in $log"
    fi
    if grep -q "^included: $PWD/.venv" "$log"; then fail "not the installed collection was used, see $log"; fi
    sed -n '/^PLAY RECAP/,$p' "$log" | sed -e 1d -e '/^$/d' -e 's/^/  /'
}

in_inventory() {
    local graph
    graph=$(timeout 60 ansible-inventory -i "$INVENTORY" --graph) || fail "the inventory cannot be read"
    grep -q -e "--$1\$" <<<"$graph"
}

gone_from_inventory() {
    ! in_inventory "$1"
}

# One request after the other, until it is killed. A line for each: when it ended, its status, who answered.
requests() {
    local answer
    while :; do
        answer=$(curl --silent --max-time 5 --write-out ' %{http_code}' "$BALANCER" | tr -d '\n') || true
        echo "$(now) ${answer##* } ${answer%% *}"
        sleep 0.05
    done
}

# since MILLISECONDS: the requests that ended after it.
since() {
    awk -v from="$1" '$1 >= from' "$OUT/requests"
}

answered_by() {
    since "$2" | grep -q "200 $1\$"
}

six_hosts() {
    title "1. Six hosts: real machines with systemd, SSH and an address each"
    python -m tests.lab create
    python -m tests.lab list | sed 's/^/  /'
}

installed_collection() {
    local installed=$OUT/collections/ansible_collections/rollcall/discovery
    title "2. The collection, built and installed as users get it"
    rm -rf "${OUT:?}"
    mkdir -p "$OUT"
    ansible-galaxy collection build --output-path "$OUT" >"$OUT/build.log"
    # By force: it is there already, as the link in .venv that makes the checkout the installed collection.
    ansible-galaxy collection install --offline --force --collections-path "$OUT/collections" "$OUT"/*.tar.gz >>"$OUT/build.log" 2>&1
    if [ ! -e "$installed/MANIFEST.json" ]; then fail "nothing was installed; see $OUT/build.log"; fi
    if [ -e "$installed/tests" ]; then fail "the collection carries the tests"; fi
    tell "Installed on the members: $(python -m tests.tools.etcd_archive)"
    tell "$(basename "$OUT"/*.tar.gz), $(du -k "$OUT"/*.tar.gz | cut -f 1) KiB, in $OUT/collections"
}

main_job() {
    title "3. The main job: a cluster of etcd, every host in the roll call, a load balancer that follows it"
    tell "First something to balance: a web service that answers with its host's name. Then TLS, with a certificate authority made"
    tell "here, and for every host a password that lets it write its own keys and no others."
    play demo
    play site
    title "4. The same once more: nothing is left to do"
    play site
    if grep -E 'changed=[1-9]' "$OUT/site.log"; then fail "the second run changed something; see $OUT/site.log"; fi
}

inventory() {
    title "5. The inventory: who holds a lease in etcd, and nobody else"
    tell "${DIM}\$ cat $INVENTORY${PLAIN}"
    sed -e '/^#/d' -e '/^---/d' -e '/^$/d' -e 's/^/  /' "$INVENTORY"
    show ansible-inventory -i "$INVENTORY" --graph
    show ansible role_web -i "$INVENTORY" -m ping
}

traffic() {
    title "6. Traffic: the load balancer has its servers from the same place"
    tell "${DIM}\$ curl $BALANCER${PLAIN}   twenty times"
    for _ in {1..20}; do curl --silent --max-time 5 "$BALANCER"; done | sort | uniq -c | sed 's/^/  /'
    requests >"$OUT/requests" &
    REQUESTS=$!
    within 30 "both web hosts answer" answered_by web1 0
    within 30 "both web hosts answer" answered_by web2 0
}

hard_kill() {
    local killed gone failed
    title "7. web1 is killed: the machine, not the service"
    tell "Meanwhile one request follows the other."
    killed=$(now)
    show python -m tests.lab kill web1
    within 60 "web1 is gone from the inventory" gone_from_inventory web1
    gone=$(($(now) - killed))
    failed=$(since "$killed" | awk '$2 != 200 { last = $1 } END { print last }')
    tell "$(since "$killed" | grep -c ' 200 ') requests were answered since, $(since "$killed" | grep -vc ' 200 ') failed."
    if [ -n "$failed" ]; then
        tell "last failed request:      $(seconds $((failed - killed))) s after the kill"
    else
        tell "last failed request:      none failed"
    fi
    tell "gone from the inventory:  $(seconds $gone) s after the kill; a lease lives ten seconds here"
    show ansible-inventory -i "$INVENTORY" --graph role_web
}

comes_back() {
    local booted served
    title "8. web1 boots again: back in both, and no play was run"
    booted=$(now)
    show python -m tests.lab boot web1
    within 90 "web1 serves again" answered_by web1 "$booted"
    served=$(since "$booted" | awk '$3 == "web1" { print $1; exit }')
    within 60 "web1 is in the inventory again" in_inventory web1
    tell "first request served:     $(seconds $((served - booted))) s after power on"
    tell "in the inventory:         $(seconds $(($(now) - booted))) s after power on, at the latest"
    if since "$booted" | grep -v ' 200 '; then fail "requests failed while web1 came back"; fi
    show ansible-inventory -i "$INVENTORY" --graph role_web
}

ending() {
    kill "$REQUESTS"
    REQUESTS=""
    title "That was all of it, in $((SECONDS / 60)) min $((SECONDS % 60)) s. What is running now:"
    cat <<TXT
  etcd1 etcd2 etcd3   10.77.213.11-13   a cluster of etcd, TLS and passwords, port 2379
  web1 web2           10.77.213.21-22   the web service, port 8080
  lb1                 10.77.213.31      HAProxy, $BALANCER

Look around:
  .venv/bin/ansible-inventory -i $INVENTORY --graph
  .venv/bin/ansible role_web -i $INVENTORY -m command -a 'systemctl status rollcall-register'
  .venv/bin/python -m tests.lab exec lb1          a shell there; see tests/lab/README.md
Stop it:
  make clean
TXT
}

six_hosts
installed_collection
main_job
inventory
traffic
hard_kill
comes_back
ending
