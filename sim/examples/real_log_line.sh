#!/bin/sh
# Plays the field report's log line at each reaped child (keepalived issue 2468) on the real daemon, in real time. The
# daemon crashes within seconds or minutes if the line's time for all children of a reload, including their kill, is
# about as long as the sender of the SIGHUPs needs beside its sleep; not if it is shorter or longer. The sender's time
# is measured first, not assumed.
#
#   sim/examples/real_log_line.sh [KEEPALIVED [SECONDS]]      default: /usr/sbin/keepalived 90
#
# Plays five daemons in parallel for at most SECONDS, each in its own namespaces and with eight scripts that hang and
# ignore SIGTERM: two minutes in all. Prints one line each. Exit status 0 if one of the three daemons died whose line
# takes between half and all of the sender's time, and neither of the other two did (no line, and four times that
# time); 1 if not; 2 if it cannot be played here. Needs a quiet machine: on a loaded one the loop wakes late, and any
# daemon may die of that.
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

# The sender, for at most so many signals; it ends with the process that receives them. Prints how many it sent.
cat > "$work/sender" <<'SENDER'
#!/bin/sh
sent=0
while [ $sent -lt "$2" ] && kill -"$3" "$1" 2>/dev/null; do sleep 1; sent=$((sent + 1)); done
echo $sent
SENDER

# Inside: starts the daemon, sends it SIGHUP each second until it is gone or the time is over, and prints the result.
cat > "$work/inside" <<'INSIDE'
#!/bin/sh
mount -t tmpfs none /run
LD_PRELOAD=$2/libslow_reaper.so REAP_MICROS=$4 "$1" --dont-fork --vrrp --log-console --no-syslog \
    -f "$2/conf" -p /run/k.pid -r /run/v.pid > "$2/log.$4" 2>&1 &
# Waits until all have started, because starts slow the other daemons down.
sleep 4
# Signals the vrrp process itself: the parent passes a signal on only after other work, at irregular times.
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

# In percent of the sender's time, for all eight children of a reload together.
shares="0 60 80 105 400"
for share in $shares; do
    reap=$((sender * share / 100 / 8))
    play "$work/end.$share" "$work/inside" "$keepalived" "$work" "$seconds" $reap
    # A fifth of a second between their reloads, because simultaneous ones would wait for each other.
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
