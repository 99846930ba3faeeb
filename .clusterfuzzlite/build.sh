#!/bin/bash -eu
# What ClusterFuzzLite runs in its image: builds the targets into $OUT, each with its seeds. Elsewhere, in a clone that is
# called treefall:
#   RUSTUP_TOOLCHAIN=nightly SRC=$(dirname "$PWD") WORK=target/cflite/work OUT=target/cflite/out .clusterfuzzlite/build.sh
# The engine target needs a keepalived where it runs, which the runner's image has not: it is not put there.
cd "${SRC:?}/treefall"
: "${WORK:?}" "${OUT:?}"
mkdir -p "$WORK" "$OUT"
WORK=$(realpath "$WORK") OUT=$(realpath "$OUT")

# The image's toolchain is a nightly, and its `cargo` makes of `cargo fuzz build` the build that coverage needs: so it is
# called by that name, and no toolchain with it. No unsafe code of ours runs in these: without a sanitizer they are
# several times faster.
if [ "${SANITIZER:-}" = coverage ]; then
  cargo fuzz build --release
else
  cargo fuzz build -s none --no-trace-compares --release
fi
# The image's flags are for fuzz targets: what the compiler itself loads cannot be built with a sanitizer.
env -u RUSTFLAGS cargo run --release --locked --quiet -- corpus import scenarios/ --out "$WORK/seeds"
for target in conformance mended rbtree scenario_text; do
  cp "fuzz/target/x86_64-unknown-linux-gnu/release/$target" "$OUT/"
  printf '[libfuzzer]\nmax_len = 1024\ntimeout = 25\n' > "$OUT/$target.options"
  if [ -d "$WORK/seeds/$target" ]; then
    (cd "$WORK/seeds/$target" && zip -q -r "$OUT/${target}_seed_corpus.zip" .)
  fi
done
