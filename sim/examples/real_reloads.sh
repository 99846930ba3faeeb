#!/bin/sh
# Plays reloads on the real daemon in real time: a timeout equal to the reload period kills it within seconds, a
# timeout of twice the period does not. The daemon lives in its own namespaces and ends with them.
#
#   sim/examples/real_reloads.sh [KEEPALIVED [SECONDS]]      default: /usr/sbin/keepalived 50
#
# Eight scripts hang and ignore SIGTERM. Plays both timeouts for at most SECONDS, one after the other: two minutes in
# all. Prints one line each. Exit status 0 if the first daemon died and the second did not, 1 if not, 2 if it cannot
# be played here.
set -eu
keepalived=${1:-/usr/sbin/keepalived}
seconds=${2:-50}
[ -x "$keepalived" ] || { echo "no program $keepalived" >&2; exit 2; }
. "$(dirname "$0")/stuck_daemon.sh"
work=$(mktemp -d)
tidy_up

# Inside: starts the daemon, reloads it each second until it is gone or the time is over, and prints the result.
cat > "$work/inside" <<'INSIDE'
#!/bin/sh
mount -t tmpfs none /run
"$1" --dont-fork --vrrp --log-console --no-syslog -f "$2/conf" -p /run/k.pid -r /run/v.pid > "$2/log" 2>&1 &
pid=$!
sent=0
# The parent process logs how the vrrp process ended, and would start another.
# Signals the vrrp process itself: the parent passes a signal on only after other work, at irregular times.
while [ $sent -lt "$3" ]; do
    sleep 1
    if grep -q 'VRRP child process.* died' "$2/log"; then break; fi
    kill -HUP "$(cat /run/v.pid)" 2>/dev/null || break
    sent=$((sent + 1))
done
sleep 1
death=$(grep -E 'exited due to|VRRP child process.* died' "$2/log" | head -n 1 | cut -d: -f4-)
if [ -n "$death" ]; then
    echo "dead after $sent reloads:$death"
elif kill -0 $pid 2>/dev/null; then
    echo "alive after $sent reloads"
else
    tail -n 3 "$2/log" >&2
    echo "ended by itself"
fi
INSIDE
chmod 755 "$work/inside"

# Plays one timeout, in seconds; the result is in `ended`.
reloads() {
    make_stuck "$work" 1 "$1"
    play "$work/end" "$work/inside" "$keepalived" "$work" "$seconds"
    wait
    players=
    ended=$(cat "$work/end")
    echo "timeout $1 s, a reload each second: $ended"
}
reloads 1
short=$ended
reloads 2
long=$ended
case "$short/$long" in
    dead*/alive*) exit 0 ;;
    *) exit 1 ;;
esac
