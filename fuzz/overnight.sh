#!/usr/bin/env bash
# A night of fuzzing, from the root of the repository:
#
#   fuzz/overnight.sh [TIME] [TARGET..]        # 8h on conformance, mended, rbtree, scenario_text, engine
#
# Targets share the time. Each goes on past what it finds; a run that was killed goes on from the corpus that it had.
# In the morning: one scenario a signature, shrunk and with its cause, in reports/fuzz; a corpus pruned to the fewest
# inputs that reach every state. Exit status 1 if anything was found, 2 if the command is wrong, 3 if a target did not run.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-8h}
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(conformance mended rbtree scenario_text engine)

case $time in
  *h) seconds=$((${time%h} * 3600)) ;;
  *m) seconds=$((${time%m} * 60)) ;;
  *s) seconds=${time%s} ;;
  *) echo "usage: fuzz/overnight.sh [TIME] [TARGET..], TIME as 8h, 30m, 60s" >&2; exit 2 ;;
esac
each=$((seconds / ${#targets[@]}))
[ "$each" -gt 0 ] || { echo "no second for each of ${#targets[@]} targets" >&2; exit 2; }

treefall() { cargo run --release --locked --quiet -- "$@"; }
treefall corpus import scenarios/ --into fuzz/corpus
cargo +nightly fuzz build -s none

status=0
for target in "${targets[@]}"; do
  if [ "$target" = engine ] && [ -z "${TREEFALL_FUZZ_TARGET:-}" ] && ! command -v keepalived >/dev/null \
    && [ ! -x /usr/sbin/keepalived ]; then
    echo "engine: left out, no keepalived is here (apt-get install keepalived, or TREEFALL_FUZZ_TARGET=engine:PATH)" >&2
    continue
  fi
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  # In fork mode libFuzzer goes on past crashes; a crash is kept in artifacts, and told at the end.
  if ! cargo +nightly fuzz run -s none "$target" "fuzz/corpus/$target" -- \
    -fork="${JOBS:-1}" -ignore_crashes=1 -ignore_timeouts=1 -timeout=25 -max_len=4096 -max_total_time="$each"; then
    echo "$target: the fuzzer did not run to its end" >&2
    status=3
  fi
  case $target in
    conformance | mended | engine)
      if [ -n "$(ls -A "fuzz/artifacts/$target")" ]; then
        found=0
        treefall corpus export "fuzz/artifacts/$target" --out reports/fuzz \
          ${TREEFALL_FUZZ_TARGET:+--target "$TREEFALL_FUZZ_TARGET"} || found=$?
        [ "$found" -le 1 ] && [ "$status" -lt 3 ] && status=1 || true
      fi
      pruned="fuzz/corpus/$target.pruned"
      rm -rf "$pruned"
      treefall corpus minimise "fuzz/corpus/$target" --into "$pruned"
      rm -rf "fuzz/corpus/$target"
      mv "$pruned" "fuzz/corpus/$target"
      ;;
    *)
      if [ -n "$(ls -A "fuzz/artifacts/$target")" ]; then
        echo "$target: see fuzz/artifacts/$target; cargo +nightly fuzz fmt $target FILE shows one" >&2
        [ "$status" -lt 3 ] && status=1
      fi
      ;;
  esac
done
exit "$status"
