#!/bin/bash -eu
# What ClusterFuzzLite runs in its image: builds the targets into $OUT, each with its seeds. Elsewhere, in a clone that is
# called treefall:
#   SRC=$(dirname "$PWD") WORK=target/cflite/work OUT=target/cflite/out .clusterfuzzlite/build.sh
# The engine target needs a keepalived where it runs, which the runner's image has not: it is not put there.
cd "${SRC:?}/treefall"
: "${WORK:?}" "${OUT:?}"
mkdir -p "$WORK" "$OUT"
WORK=$(realpath "$WORK") OUT=$(realpath "$OUT")

# No unsafe code of ours runs in these: without a sanitizer they are several times faster.
cargo +nightly fuzz build -s none --release
cargo run --release --locked --quiet -- corpus import scenarios/ --into "$WORK/seeds"
for target in conformance mended rbtree scenario_text; do
  cp "fuzz/target/x86_64-unknown-linux-gnu/release/$target" "$OUT/"
  printf '[libfuzzer]\nmax_len = 4096\ntimeout = 25\n' > "$OUT/$target.options"
  if [ -d "$WORK/seeds/$target" ]; then
    (cd "$WORK/seeds/$target" && zip -q -r "$OUT/${target}_seed_corpus.zip" .)
  fi
done
