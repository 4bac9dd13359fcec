#!/usr/bin/env bash
# The demo, run by `make demo`: boots six real hosts, installs the collection as a user does, runs its playbook over SSH, and then
# shows each promise being kept. The hosts are left running.
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
        if [ $((SECONDS - start)) -ge "$limit" ]; then fail "waited $limit s in vain for this: $what"; fi
        sleep 0.2
    done
}

# Show which task a playbook is at: on a terminal in one line that changes, elsewhere in a line every ten seconds.
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
        fail "the playbook $1 failed; its whole output is in $log"
    fi
    if grep -q "^included: $PWD/.venv" "$log"; then fail "the playbook used the checkout instead of the installed collection, see $log"; fi
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
    title "1. Boot six hosts, each with systemd, SSH and an address of its own"
    python -m tests.lab create
    python -m tests.lab list | sed 's/^/  /'
}

installed_collection() {
    local installed=$OUT/collections/ansible_collections/rollcall/discovery
    title "2. Build the collection and install it as a user does"
    rm -rf "${OUT:?}"
    mkdir -p "$OUT"
    ansible-galaxy collection build --output-path "$OUT" >"$OUT/build.log"
    # By force: it is there already, as the link in .venv that makes the checkout the installed collection.
    ansible-galaxy collection install --offline --force --collections-path "$OUT/collections" "$OUT"/*.tar.gz >>"$OUT/build.log" 2>&1
    if [ ! -e "$installed/MANIFEST.json" ]; then fail "ansible-galaxy installed nothing; see $OUT/build.log"; fi
    if [ -e "$installed/tests" ]; then fail "the collection contains the tests"; fi
    tell "installed: $(basename "$OUT"/*.tar.gz), $(du -k "$OUT"/*.tar.gz | cut -f 1) KiB, in $OUT/collections"
    tell "for the etcd hosts: $(python -m tests.tools.etcd_archive)"
}

main_job() {
    title "3. Set up the site: an etcd cluster, an agent on every host, and a load balancer that follows the registry"
    tell "The playbook demo starts something to balance: a web service on web1 and web2 that answers with its host's name."
    tell "The playbook site sets up the rest. It creates a certificate authority, so that etcd speaks TLS, and for every host a"
    tell "password with which the host can write its own keys and no others."
    play demo
    play site
    title "4. Run the playbook again: nothing changes"
    play site
    if grep -E 'changed=[1-9]' "$OUT/site.log"; then fail "the second run changed something; see $OUT/site.log"; fi
}

inventory() {
    title "5. The inventory: the hosts whose lease in etcd is alive"
    tell "${DIM}\$ cat $INVENTORY${PLAIN}"
    sed -e '/^#/d' -e '/^---/d' -e '/^$/d' -e 's/^/  /' "$INVENTORY"
    show ansible-inventory -i "$INVENTORY" --graph
    show ansible role_web -i "$INVENTORY" -m ping
}

traffic() {
    title "6. Traffic: the load balancer takes its servers from the same registry"
    tell "${DIM}\$ curl $BALANCER${PLAIN}   twenty times"
    for _ in {1..20}; do curl --silent --max-time 5 "$BALANCER"; done | sort | uniq -c | sed 's/^/  /'
    requests >"$OUT/requests" &
    REQUESTS=$!
    within 30 "web1 answers" answered_by web1 0
    within 30 "web2 answers" answered_by web2 0
}

hard_kill() {
    local killed gone failed
    title "7. Kill web1, the whole machine, while clients send requests"
    killed=$(now)
    show python -m tests.lab kill web1
    within 60 "web1 is gone from the inventory" gone_from_inventory web1
    gone=$(($(now) - killed))
    failed=$(since "$killed" | awk '$2 != 200 { last = $1 } END { print last }')
    tell "$(since "$killed" | grep -c ' 200 ') requests were answered since then, $(since "$killed" | grep -vc ' 200 ') failed."
    if [ -n "$failed" ]; then
        tell "last failed request:      $(seconds $((failed - killed))) s after the kill"
    else
        tell "last failed request:      none"
    fi
    tell "gone from the inventory:  $(seconds $gone) s after the kill, when its lease of 10 s had expired"
    show ansible-inventory -i "$INVENTORY" --graph role_web
}

comes_back() {
    local booted served
    title "8. Boot web1 again: it returns to traffic and inventory, without a playbook"
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
    title "Done in $((SECONDS / 60)) min $((SECONDS % 60)) s. These hosts are still running:"
    cat <<TXT
  etcd1 etcd2 etcd3   10.77.213.11-13   the etcd cluster, with TLS and passwords, port 2379
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
