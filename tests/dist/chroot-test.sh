#!/usr/bin/env bash
# Unpacks the archive in a root directory that holds a shell, the C and C++ libraries and nothing else (no Java, no network), and runs it
# there:
#   tests/dist/chroot-test.sh [archive] [root directory, such as debootstrap's; default: a new one made of this machine's files]
# As root, after `mvn -Pdist package`; about two minutes. Called by `mvn -Pdist -Dsails.dist.test.skip=false verify`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
fail() {
  echo "chroot-test: $1" >&2
  exit 1
}
[ "$(id -u)" = 0 ] || fail "chroot needs root"
archive=${1:-$(ls "$here"/dist/target/sails4j-*-linux-x86_64.tar.gz)} || fail "there is no archive; mvn -Pdist package makes it"
root=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The files of a program or library and what it links to, at the same paths.
bring() {
  local file library
  for file; do
    mkdir -p "$root$(dirname "$file")"
    cp -L "$file" "$root$file"
    { ldd "$file" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      cp -L "$library" "$root$library"
    done
  done
}

if [ -z "$root" ]; then
  root=$work/root
  mkdir -p "$root"/{tmp,proc,dev,usr/bin,bin}
  for program in sh cat ls dirname readlink env; do bring "$(readlink -f "$(command -v "$program")")" "$(command -v "$program")"; done
  cp -L "$(command -v sh)" "$root/bin/sh"
  # What any Debian has: all of glibc; the C++ library comes with apt.
  for library in libdl.so.2 libpthread.so.0 librt.so.1 libm.so.6 libstdc++.so.6 libgcc_s.so.1; do
    bring "$(ldconfig -p | awk -v l="$library" '$1 == l && /x86-64/ { print $NF; exit }')"
  done
  mknod -m 666 "$root/dev/null" c 1 3
  mknod -m 666 "$root/dev/urandom" c 1 9
  mknod -m 666 "$root/dev/random" c 1 8
fi
mkdir -p "$root/opt"
tar -C "$root/opt" -xzf "$archive"
name=$(basename "$archive" .tar.gz)
mkdir -p "$root/usr/bin"
ln -sf "/opt/$name/bin/sails" "$root/usr/bin/sails"

# In a mount namespace of its own, so that /proc goes with it.
inside() {
  # shellcheck disable=SC2016 # the inner shell's own parameters
  unshare --mount sh -c \
    'mount -t proc proc "$1/proc" && root=$1 && shift && exec chroot "$root" env -i PATH=/usr/bin:/bin LANG=C "$@"' sh "$root" "$@"
}
! inside java -version >/dev/null 2>&1 || fail "the root directory has a java"

echo "== through a symbolic link, from another directory"
inside sails --version
echo "== selftest, the kernels in the emulator"
inside sails selftest --backend emulator >"$work/emulator" || { cat "$work/emulator"; fail "selftest --backend emulator failed"; }
tail -1 "$work/emulator"
echo "== selftest, cpu"
inside sails selftest --backend cpu >"$work/cpu" || { cat "$work/cpu"; fail "selftest --backend cpu failed"; }
head -1 "$work/cpu"
tail -1 "$work/cpu"
echo "== selftest, cuda where there is no driver"
status=0
inside sails selftest --backend cuda >"$work/cuda" 2>&1 || status=$?
cat "$work/cuda"
[ "$status" = 1 ] || fail "selftest --backend cuda ended with $status, expected 1"
[ "$(wc -l <"$work/cuda")" = 1 ] || fail "expected one sentence"
if [ -f "$root/opt/$name/lib/native/libsails_cuda.so" ]; then
  grep -q driver "$work/cuda" || fail "the sentence does not name the driver"
fi
echo "== the whole way on a small model"
inside sails demo --out /tmp/demo >"$work/demo" 2>&1 || { cat "$work/demo"; fail "demo failed"; }
tail -3 "$work/demo"
echo "chroot-test: $(basename "$archive") runs without Java"
