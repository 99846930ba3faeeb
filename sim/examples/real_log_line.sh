#!/bin/sh
# On the real daemon, without virtual time: the field report's log line where children are reaped (keepalived issue
# 2468). It makes a crash of seconds to minutes where what it takes for all the children of a reload, and the killing
# besides, is about what the sender of the SIGHUPs takes itself beside its sleep; shorter or longer it does not. Nothing is
# assumed: the sender is measured first.
#
#   sim/examples/real_log_line.sh [KEEPALIVED [SECONDS]]      default: /usr/sbin/keepalived 90
#
# Plays five daemons side by side, each in namespaces of its own and with eight scripts that hang and do nothing about a
# SIGTERM, for SECONDS at most: two minutes together. Prints one line each; exit status 0 when one of the three died whose
# line takes from half of what the sender does to as much, and neither of the other two (no line, and one of
# four times that); 1 when not, 2 when it cannot be played here.
# For a quiet machine: on a loaded one the loop wakes late, and any of them dies of that.
set -eu
keepalived=${1:-/usr/sbin/keepalived}
seconds=${2:-90}
[ -x "$keepalived" ] || { echo "no program $keepalived" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/sim/examples/stuck_daemon.sh"
cargo build --quiet --release --locked --manifest-path "$root/Cargo.toml" -p treefall-preload --example slow_reaper
work=$(mktemp -d)
tidy_up
cp "$root/target/release/examples/libslow_reaper.so" "$work/"

# The sender, for at most so many times; it ends with the process that it sends to. Prints how often it sent.
cat > "$work/sender" <<'SENDER'
#!/bin/sh
sent=0
while [ $sent -lt "$2" ] && kill -"$3" "$1" 2>/dev/null; do sleep 1; sent=$((sent + 1)); done
echo $sent
SENDER

# Inside: starts the daemon, sends it SIGHUP each second until it is gone or the time is over, and says how it went.
cat > "$work/inside" <<'INSIDE'
#!/bin/sh
mount -t tmpfs none /run
LD_PRELOAD=$2/libslow_reaper.so REAP_MICROS=$4 "$1" --dont-fork --vrrp --log-console --no-syslog \
    -f "$2/conf" -p /run/k.pid -r /run/v.pid > "$2/log.$4" 2>&1 &
# Until all of them have started: what that takes of the machine makes the others late.
sleep 4
# The vrrp process itself: the parent passes a signal on after work of its own, at no steady pace.
vrrp=$(cat /run/v.pid) || { cat "$2/log.$4" >&2; exit 2; }
sent=$("$2/sender" "$vrrp" "$3" HUP)
sleep 1
death=$(grep -E 'exited due to|VRRP child process.* died' "$2/log.$4" | head -n 1 | cut -d: -f4-)
echo "${death:+dead:}${death:-alive} after $sent reloads"
INSIDE
chmod 755 "$work/sender" "$work/inside"

make_stuck "$work" 2 2

rounds=15
before=$(date +%s%N)
"$work/sender" $$ $rounds 0 > /dev/null
sender=$(( ($(date +%s%N) - before) / 1000 / rounds - 1000000 ))
echo "the sender takes $sender us beside its sleep, in the mean of $rounds rounds"

# In percent of the sender, all eight children of a reload together.
shares="0 60 80 105 400"
for share in $shares; do
    reap=$((sender * share / 100 / 8))
    play "$work/end.$share" "$work/inside" "$keepalived" "$work" "$seconds" $reap
    # A fifth of a second between their reloads: in one instant they would wait for each other.
    sleep 0.2
done
wait
players=
met=0 missed=0
for share in $shares; do
    end=$(cat "$work/end.$share")
    echo "a log line of $((sender * share / 100 / 8)) us a child, $share % of that in all: $end"
    case "$share/$end" in
        60/dead* | 80/dead* | 105/dead*) met=$((met + 1)) ;;
        60/alive* | 80/alive* | 105/alive*) ;;
        */alive*) ;;
        *) missed=$((missed + 1)) ;;
    esac
done
[ $met -gt 0 ] && [ $missed -eq 0 ]
