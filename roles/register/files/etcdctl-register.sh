#!/bin/sh
# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Registers this host with nothing but etcdctl: one lease, one key `ip` for each of its roles.
#
#   ROLLCALL_PREFIX    /infrastructure/, with its slash; a data centre follows it where there is one (/infrastructure/eu/)
#   ROLLCALL_ROLES     roles, between spaces
#   ROLLCALL_NAME      the host's name; where it is empty, what the host calls itself
#   ROLLCALL_ADDRESS   its address; where it is empty, the one that packets to ROLLCALL_ROUTE come from
#   ROLLCALL_TTL       seconds that the lease lives without this script
#   ROLLCALL_LOOK      seconds between two looks at the keys
#   RUNTIME_DIRECTORY  where the lease is noted for the next process, gone with the boot (of systemd)
#   ETCDCTL_…          endpoints, TLS files and user, as etcdctl has them; the password comes from the credential
#
# The lease is kept by one `etcdctl lease keep-alive`, and that prints a line for each renewal: the clock of this script.
# No lease is held without keys: every user of etcd may attach a key to it, and from etcd 3.6 on nobody else can then
# write under it.
set -u

newline='
'
if [ -r "${CREDENTIALS_DIRECTORY-/nowhere}/etcd-password" ]; then
    ETCDCTL_PASSWORD=$(cat "$CREDENTIALS_DIRECTORY/etcd-password")
    export ETCDCTL_PASSWORD # the environment of a process is its owner's alone, its command line is everybody's
fi

noted=$RUNTIME_DIRECTORY/lease
renewals=$RUNTIME_DIRECTORY/renewals
keys='' lease='' address='' child='' said='' denied=0 held=0

# Tell the journal and `systemctl status`, once. Some of the text comes from etcd: only what ASCII can print passes.
say() {
    [ "$1" != "$said" ] || return 0
    said=$1
    id=${2:+" [RC-E-$2]"} # of the message, for the troubleshooting guide
    set -- "$(printf '%s' "$1" | LC_ALL=C tr -c '[:print:]' '?')"
    printf '%s%s\n' "$1" "$id"
    [ -z "${NOTIFY_SOCKET-}" ] || systemd-notify --status="$1"
}

# Wait for $1 to $1 * 2 seconds: hosts that were cut off together do not come back in step.
nap() {
    sleep $(($1 + $(od -An -N2 -tu2 /dev/urandom) % ($1 + 1))) &
    child=$!
    wait "$child"
    child=
}

# Leave on purpose: the end of the lease deletes every key at once.
leave() {
    trap '' TERM INT
    [ -z "$child" ] || kill "$child" 2>/dev/null
    if [ -n "$lease" ]; then
        said=
        if out=$(etcdctl lease revoke "$lease" 2>&1); then
            rm -f "$noted"
            say "Left:$keys"
        else
            say "Left: not deregistered, so the lease ends by itself within $ROLLCALL_TTL s: ${out##*"$newline"}" DEREGISTER
        fi
    fi
    exit 0
}

# The lease of a process that was killed is as good as a new one.
find_lease() {
    lease=
    [ -s "$noted" ] || return 0
    lease=$(cat "$noted") held=1 # it had keys, until a look says otherwise
    case $(etcdctl lease keep-alive --once "$lease" 2>&1) in
        *"keepalived with TTL($ROLLCALL_TTL)"*) ;;
        *) lease= ;;
    esac
}

grant_lease() {
    out=$(etcdctl lease grant "$ROLLCALL_TTL" 2>&1) || return 1
    lease=$(printf '%s\n' "$out" | sed -n 's/^lease \([0-9a-f]*\) granted.*/\1/p')
    [ -n "$lease" ] && printf '%s\n' "$lease" >"$noted"
}

# Whether others have all of our names, or a key of another client is attached to the lease. The latter counts seldom, since it may
# be our own user that lacks the permission.
is_useless() {
    [ "$held" -gt 0 ] || return 0
    [ $((denied % 10)) -eq 1 ] || return 1
    denied=$((denied + 1))
}

revoke_lease() {
    etcdctl lease revoke "$lease" >/dev/null 2>&1
    lease=
    rm -f "$noted"
}

# The host name may still be missing, such as before DHCP has given one.
find_keys() {
    name=${ROLLCALL_NAME-}
    if [ -z "$name" ]; then
        name=$(uname -n)
        name=${name%%.*}
    fi
    case $name in
        '' | *[!A-Za-z0-9._-]* | [!A-Za-z0-9]* | *[!A-Za-z0-9] | localhost | all | ungrouped) return 1 ;;
    esac
    keys=
    for role in $ROLLCALL_ROLES; do keys="$keys $ROLLCALL_PREFIX$role/$name/ip"; done
}

find_address() {
    if [ -n "${ROLLCALL_ADDRESS-}" ]; then
        address=$ROLLCALL_ADDRESS
        return 0
    fi
    out=$(ip -o route get "$ROLLCALL_ROUTE" 2>&1) || return 1
    found=$(printf '%s\n' "$out" | sed -n 's/.* src \([0-9a-fA-F.:]*\).*/\1/p')
    [ -z "$found" ] || address=$found # without one, the last one stays
    [ -n "$address" ]
}

# Write all keys as they must be, in one transaction that fails if another client comes between. A key with our address is
# ours, also under another lease: that of our former boot. A key with another address belongs to another host, until it goes.
# A lease is granted only when nothing else is missing. `held` is how many keys the lease has, as far as that is known.
claim() {
    find_address || {
        say "Waiting: no address for this host: ${out##*"$newline"}" ADDRESS
        return 1
    }
    number=${lease:+$(printf '%d' "0x$lease")}
    compares='' writes='' found=0 problem=''
    for key in $keys; do
        out=$(etcdctl get "$key" -w fields 2>&1) || {
            say "Waiting: ${out##*"$newline"}" ETCDCTL
            return 1
        }
        value='' holder=0 revision=0
        while IFS= read -r line; do
            case $line in
                '"Value" : '*) value=${line#*' : '} ;;
                '"Lease" : '*) holder=${line#*' : '} ;;
                '"ModRevision" : '*) revision=${line#*' : '} ;;
            esac
        done <<EOF
$out
EOF
        case $holder/$value in
            "$number/"*) found=$((found + 1)) ;;
            0/ | *"/\"$address\"") ;;
            *) problem="Duplicate: $key is held by $value under lease $(printf '%x' "$holder")" ;;
        esac
        [ "$holder/$value" != "$number/\"$address\"" ] || continue
        compares="${compares}mod(\"$key\") = \"$revision\"$newline"
        writes="$writes $key"
    done
    held=$found
    if [ -n "$problem" ]; then
        say "$problem" DUPLICATE
        return 1
    fi
    if [ -n "$writes" ]; then
        [ -n "$lease" ] || grant_lease || {
            say "Waiting: ${out##*"$newline"}" ETCDCTL
            return 1
        }
        puts=''
        for key in $writes; do puts="${puts}put --lease=$lease $key $address$newline"; done
        out=$(printf '%s\n%s\n\n' "$compares" "$puts" | etcdctl txn 2>&1)
        case $out in
            SUCCESS* | *"${newline}SUCCESS"*) ;; # a warning may come first
            *)
                say "Waiting: the keys could not be written: ${out##*"$newline"}" ETCDCTL
                case $out in *"permission denied"*) denied=$((denied + 1)) ;; esac
                return 1
                ;;
        esac
    fi
    denied=0 held=$((held + 1))
    say "Registered:$keys, address $address, lease $lease"
}

# Hold the lease until it is lost. etcdctl renews it in every third of its time, and ends when etcd no longer knows it.
hold() {
    rm -f "$renewals"
    mkfifo "$renewals" || exit 1
    etcdctl lease keep-alive "$lease" >"$renewals" 2>&1 &
    child=$!
    exec 3<"$renewals"
    every=$((ROLLCALL_LOOK * 3 / ROLLCALL_TTL)) left=0
    while read -r line <&3; do
        case $line in *keepalived*) ;; *) continue ;; esac
        if [ "$left" -le 0 ]; then
            left=0
            if claim; then
                left=$every
            elif is_useless; then
                revoke_lease
                kill "$child"
                break
            fi
        fi
        left=$((left - 1))
    done
    exec 3<&-
    wait "$child"
    [ -z "$lease" ] || say "Waiting: the lease is lost" LEASE-LOST
    child='' lease=''
    rm -f "$noted"
}

trap leave TERM INT
[ "${ETCDCTL_INSECURE_SKIP_TLS_VERIFY-}" != true ] ||
    say "Warning: validate_certs is false, so any host on the way can pose as etcd and read the password"
[ -z "${NOTIFY_SOCKET-}" ] || systemd-notify --ready
pause=1
while :; do
    if ! find_keys; then
        say "Waiting: the name \"$name\" cannot be registered" MACHINE
    else
        [ -n "$lease" ] || find_lease
        if claim; then
            pause=1
            hold
        elif [ -n "$lease" ]; then
            if is_useless; then revoke_lease; else hold; fi
        fi
    fi
    nap "$pause"
    pause=$((pause < 8 ? pause * 2 : 8))
done
