#!/usr/bin/env bash
# Runs each fuzz target for a few seconds, with the stable toolchain and without cargo-fuzz: checks that it works, and
# that its assertions hold on the corpus and a little beyond. overnight.sh runs for a night.
#
#   fuzz/briefly.sh [SECONDS] [CORPUS]         # 10 seconds for each; corpus of `treefall corpus import`
#
# Exit status 1 if anything was found, 2 if the command is wrong, 3 if a target does not build or run.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-10} corpus=${2:-}
case $seconds in
  *[!0-9]* | '') echo "usage: fuzz/briefly.sh [SECONDS] [CORPUS]" >&2; exit 2 ;;
esac
targets=(conformance mended rbtree scenario_text engine)

# The options of cargo-fuzz (`-s none --no-trace-compares`); without a sanitizer, none of them needs the nightly
# toolchain.
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS=$flags cargo build --release --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target "$host" || exit 3

# The compiler could remove the counters that only the fuzzer reads, and the fuzzer would silently see no states.
readelf -SW "target/fuzz/$host/release/conformance" | grep libfuzzer_extra_counters >/dev/null ||
  { echo "conformance: the fuzzer does not see its scheduler states" >&2; exit 3; }

status=0
for target in "${targets[@]}"; do
  if [ "$target" = engine ] && [ -z "${TREEFALL_FUZZ_TARGET:-}" ] && ! command -v keepalived >/dev/null \
    && [ ! -x /usr/sbin/keepalived ]; then
    echo "engine: left out, no keepalived is here (apt-get install keepalived, or TREEFALL_FUZZ_TARGET=engine:PATH)"
    continue
  fi
  folder=target/fuzz/briefly/$target
  mkdir -p "$folder"
  seeds=()
  if [ -n "$corpus" ] && [ -d "$corpus/$target" ]; then seeds=("$corpus/$target"); fi
  log=$folder.log
  if "target/fuzz/$host/release/$target" "$folder" "${seeds[@]}" -seed=1 -timeout=25 -max_len=1024 \
    -max_total_time="$seconds" -artifact_prefix="$folder/" -print_final_stats=1 >"$log" 2>&1; then
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
  elif grep -q 'number_of_executed_units' "$log"; then
    grep -v '^#' "$log" | tail -60
    echo "$target: found something, above; the input is in $folder"
    status=1
  else
    tail -20 "$log"
    echo "$target: did not run"
    exit 3
  fi
done
exit "$status"
