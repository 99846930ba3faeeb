#!/usr/bin/env bash
# Measures how soon fuzzing finds each of the eight defects, planted in the replica without defects, from an empty
# corpus on one core: with scheduler states, and by code coverage alone.
#
#   fuzz/canaries.sh [SEEDS] [SECONDS]         # 10 seeds, 60 s for each at most
#
# Prints for each defect the medians of inputs and CPU seconds, both ways. Exit status 1 if a median was not found in that
# time, 2 if the command is wrong, 3 if the fuzzer could not be built.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=${1:-10} limit=${2:-60}
case "$seeds$limit" in
  *[!0-9]*) echo "usage: fuzz/canaries.sh [SEEDS] [SECONDS]" >&2; exit 2 ;;
esac
defects=(TimeoutLeavesPidEntry TimeoutDropsPidEntryEarly SkippedRunStillStarts ReloadForgetsChildren
  ReloadFreesQueuedTimeout StaleArgumentAfterReload ExitErasesTwice ReloadSkipsQueuedTimeout)

cargo +nightly fuzz build -s none --no-trace-compares conformance || exit 3
target=$(rustc +nightly -vV | sed -n 's/^host: //p')
fuzzer=fuzz/target/$target/release/conformance
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# One run: inputs and CPU seconds until the defect was found; nothing if it was not.
one() { # defect, seed, states
  local folder=$scratch/$1-$2-$3 found=0
  mkdir -p "$folder/corpus"
  TIMEFORMAT='%U %S'
  { time TREEFALL_FUZZ_PLANT=$1 TREEFALL_FUZZ_STATES=$3 "$fuzzer" "$folder/corpus" -seed="$2" -max_len=1024 \
    -max_total_time="$limit" -artifact_prefix="$folder/" -print_final_stats=1 >"$folder/log" 2>&1 || found=1; } 2>"$folder/time"
  [ "$found" = 1 ] || return 0
  local inputs cpu
  inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/log")
  cpu=$(awk '{ printf "%.2f", $1 + $2 }' "$folder/time")
  echo "${inputs:?the fuzzer ended without finding the defect: $(tail -3 "$folder/log")} $cpu"
}

# The median of a column over the seeds; "-" if half of them or more found nothing.
median() { # file, column
  awk -v column="$2" -v seeds="$seeds" '{ print $column }' "$1" | sort -g |
    awk -v seeds="$seeds" '{ all[NR] = $1 } END { place = int(seeds / 2) + 1; print (place <= NR ? all[place] : "-") }'
}

status=0
printf '%-26s %22s %22s\n' "median of $seeds seeds" "with states" "code coverage alone"
for defect in "${defects[@]}"; do
  line=""
  for states in 1 0; do
    results=$scratch/$defect-$states
    for ((seed = 1; seed <= seeds; seed++)); do one "$defect" "$seed" "$states"; done >"$results"
    inputs=$(median "$results" 1)
    [ "$inputs" != - ] || status=1
    line+=$(printf ' %9s inputs %4s s' "$inputs" "$(median "$results" 2)")
  done
  printf '%-26s%s\n' "$defect" "$line"
done
exit "$status"
