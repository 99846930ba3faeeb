#!/usr/bin/env bash
# A night of fuzzing, from the root of the repository:
#
#   fuzz/overnight.sh [TIME] [TARGET..]        # 8h on conformance, mended, rbtree, scenario_text, engine
#
# The targets share the time. Each continues after failures; a killed run resumes from its corpus. The results are one
# report for each finding in reports/fuzz, with the trace as found and the smallest one, and a corpus pruned to the
# fewest inputs that reach every state. Exit status 1 if anything new was found, 2 if the command is wrong, 3 if a
# target did not run.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-8h}
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(conformance mended rbtree scenario_text engine)

case ${time%[hms]} in
  *[!0-9]* | '') time=wrong ;;
esac
case $time in
  *h) seconds=$((${time%h} * 3600)) ;;
  *m) seconds=$((${time%m} * 60)) ;;
  *s) seconds=${time%s} ;;
  *) echo "usage: fuzz/overnight.sh [TIME] [TARGET..], TIME as 8h, 30m, 60s" >&2; exit 2 ;;
esac
each=$((seconds / ${#targets[@]}))
[ "$each" -gt 0 ] || { echo "no second for each of ${#targets[@]} targets" >&2; exit 2; }

treefall() { cargo run --release --locked --quiet -- "$@"; }
# Mutations work on wakes, and states guide them; tracing comparisons would cost most of the time.
build=(-s none --no-trace-compares)
treefall corpus import scenarios/ --out fuzz/corpus
cargo +nightly fuzz build "${build[@]}"

# Replaces the corpus by its fewest inputs. A kill leaves one of the two, or both.
prune() { # target
  local corpus=fuzz/corpus/$1 pruned=fuzz/corpus/$1.pruned
  rm -rf "$pruned.part" "$pruned"
  treefall corpus minimise "$corpus" --out "$pruned.part" --of "$1"
  mv "$pruned.part" "$pruned"
  rm -rf "$corpus"
  mv "$pruned" "$corpus"
}

# Reports new failures and moves them away, so that the next night reports only new ones.
report_new() { # target
  local artifacts=fuzz/artifacts/$1 reported=fuzz/artifacts/told/$1 found=0
  [ -n "$(ls -A "$artifacts")" ] || return 0
  case $1 in
    conformance | mended | engine)
      treefall corpus export "$artifacts" --out reports/fuzz \
        ${TREEFALL_FUZZ_TARGET:+--target "$TREEFALL_FUZZ_TARGET"} || found=$?
      ;;
    *)
      found=1
      for file in "$artifacts"/*; do
        echo "$1: found something; cargo +nightly fuzz fmt $1 $reported/${file##*/} shows it" >&2
      done
      ;;
  esac
  [ "$found" -le 1 ] || { status=3; return 0; }
  [ "$found" = 0 ] || [ "$status" -gt 0 ] || status=1
  mkdir -p "$reported"
  mv "$artifacts"/* "$reported/"
}

status=0
for target in "${targets[@]}"; do
  if [ "$target" = engine ] && [ -z "${TREEFALL_FUZZ_TARGET:-}" ] && ! command -v keepalived >/dev/null \
    && [ ! -x /usr/sbin/keepalived ]; then
    echo "engine: left out, no keepalived is here (apt-get install keepalived, or TREEFALL_FUZZ_TARGET=engine:PATH)" >&2
    continue
  fi
  # A night that was killed while pruning.
  [ -d "fuzz/corpus/$target" ] || [ ! -d "fuzz/corpus/$target.pruned" ] ||
    mv "fuzz/corpus/$target.pruned" "fuzz/corpus/$target"
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  # In fork mode libFuzzer continues after crashes; a crash is kept in artifacts, and reported at the end.
  if ! cargo +nightly fuzz run "${build[@]}" "$target" "fuzz/corpus/$target" -- \
    -fork="${JOBS:-1}" -ignore_crashes=1 -ignore_timeouts=1 -timeout=25 -max_len=1024 -max_total_time="$each"; then
    echo "$target: the fuzzer did not run to its end" >&2
    status=3
  fi
  report_new "$target"
  case $target in
    conformance | mended | engine) prune "$target" ;;
  esac
done
exit "$status"
