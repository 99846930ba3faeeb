#!/usr/bin/env bash
# Builds the archive and the Debian package of treefall: the command, manual pages, completions, scenarios, licences.
#
#   sim/jobs/package.sh [--profile NAME] [--out DIR]     # profile dist, folder target/package
#   sim/jobs/package.sh --check [..]                     # then install the package into a scratch root, and run it there
#
# Builds are reproducible: one commit gives the same bytes with the same toolchain in the same folder, with the time
# of SOURCE_DATE_EPOCH or of the commit. Exit status 2 if the command is wrong, 1 if anything fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { echo "usage: sim/jobs/package.sh [--profile NAME] [--out DIR] [--check]" >&2; exit 2; }

profile=dist out=target/package check=no
while [ $# -gt 0 ]; do
  case $1 in
    --profile) [ $# -ge 2 ] || usage; profile=$2; shift 2 ;;
    --out) [ $# -ge 2 ] || usage; out=$2; shift 2 ;;
    --check) check=yes; shift ;;
    *) usage ;;
  esac
done

epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || true)}
: "${epoch:?there is no commit here to take the time from: set SOURCE_DATE_EPOCH, in seconds}"
export SOURCE_DATE_EPOCH=$epoch LC_ALL=C TZ=UTC
umask 022

cargo build --profile "$profile" --locked -p treefall
folder=$profile
[ "$profile" != dev ] || folder=debug
built=${CARGO_TARGET_DIR:-target}/$folder/treefall
version=$("$built" --version | sed -n 's/^treefall //p')
: "${version:?the command prints no version}"
architecture=$(dpkg --print-architecture)
name=treefall-$version-$(uname -m)-linux-gnu

mkdir -p "$out"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# One tree for both, with the installed files below usr.
root=$scratch/root
install -D -m 755 "$built" "$root/usr/bin/treefall"
"$built" man --out "$root/usr/share/man/man1" --quiet
"$built" completions bash | install -D -m 644 /dev/stdin "$root/usr/share/bash-completion/completions/treefall"
"$built" completions zsh | install -D -m 644 /dev/stdin "$root/usr/share/zsh/vendor-completions/_treefall"
"$built" completions fish | install -D -m 644 /dev/stdin "$root/usr/share/fish/vendor_completions.d/treefall.fish"
find scenarios -type f -name '*.toml' -exec install -D -m 644 {} "$root/usr/share/treefall/{}" \;
install -D -m 644 -t "$root/usr/share/doc/treefall" LICENSE-MIT LICENSE-APACHE CHANGELOG.md README.md

# The archive is the unchanged tree.
mkdir -p "$scratch/archive"
cp -r "$root/usr" "$scratch/archive/$name"
tar --create --directory "$scratch/archive" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
  --format=gnu "$name" | gzip -9 -n >"$out/$name.tar.gz"

# The package also has Debian's files.
gzip -9 -n "$root"/usr/share/man/man1/*.1
gzip -9 -n "$root/usr/share/doc/treefall/CHANGELOG.md"
cat >"$root/usr/share/doc/treefall/copyright" <<COPYRIGHT
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: treefall

Files: *
Copyright: the authors of treefall
License: MIT or Apache-2.0
 The texts are in /usr/share/doc/treefall/LICENSE-MIT and LICENSE-APACHE.
COPYRIGHT
# The newest symbols of the C library that the command and its embedded library need.
libc=$(grep -aoE 'GLIBC_2\.[0-9]+' "$built" | sort -uV | tail -1)
size=$(find "$root/usr" -type f -printf '%s\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<CONTROL
Package: treefall
Version: $version
Architecture: $architecture
Maintainer: treefall maintainers <treefall@localhost>
Installed-Size: $size
Depends: libc6 (>= ${libc#GLIBC_}), libgcc-s1
Suggests: keepalived, gdb, mmdebstrap
Section: devel
Priority: optional
Description: find, replay and explain crashes of keepalived's scheduler
 Replays the order of script timeouts, child exits and reloads under a virtual
 clock, on the real keepalived or on a replica of each release, judges each step,
 and shrinks what fails to the smallest input that still fails.
CONTROL
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
find "$root" -exec touch --no-dereference --date="@$epoch" {} +
package=$out/treefall_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zgzip -z9 --build "$root" "$package" >/dev/null
(cd "$out" && sha256sum "$name.tar.gz" "$(basename "$package")" | tee SHA256SUMS)

[ "$check" = yes ] || exit 0

# Installed as a user installs it, except for the C library, which the scratch root lacks.
installed=$scratch/installed
mkdir -p "$installed/var/lib/dpkg/info" "$installed/var/lib/dpkg/updates"
touch "$installed/var/lib/dpkg/status"
dpkg --root="$installed" --force-not-root --force-depends --log=/dev/null --install "$package" \
  >"$scratch/dpkg.log" 2>&1 || { cat "$scratch/dpkg.log" >&2; exit 1; }
dpkg --root="$installed" --verify treefall
run=$installed/usr/bin/treefall
"$run" --version
cd "$installed"
"$run" replay usr/share/treefall/scenarios/queued-timeout-and-reload --quiet --target replica:2.3.1
# The command contains the library for real programs, so it also works without its build folder.
if [ -x /usr/sbin/keepalived ]; then
  "$run" replay usr/share/treefall/scenarios/queued-timeout-and-reload --quiet --target engine:/usr/sbin/keepalived
else
  echo "engine: left out, no keepalived is here (apt-get install keepalived)"
fi
bash -n usr/share/bash-completion/completions/treefall
gzip -dc usr/share/man/man1/treefall-hunt.1.gz | grep '^\.TH' >/dev/null || { echo "no manual page of hunt" >&2; exit 1; }
echo "$(basename "$package"): installed into a scratch root, and run there"
