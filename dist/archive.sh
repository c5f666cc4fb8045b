#!/usr/bin/env bash
# Makes sails4j-VERSION-linux-x86_64.tar.gz: a Java runtime of the modules that are needed, the jars without the binaries of other
# platforms, the native libraries, the launcher, tools/ and the licences. Called by Maven:
#   archive.sh <java-api/target> <cli/target> <output directory> <version> <timestamp>
# The same sources, tools and timestamp give the same bytes.
set -euo pipefail
mkdir -p "$3"
library=$(cd "$1" && pwd)
cli=$(cd "$2" && pwd)
out=$(cd "$3" && pwd)
version=$4
timestamp=$5
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=sails4j-$version-linux-x86_64
home=$out/$name
limit_bytes=$((60 << 20))
jdk=$("$root/sails" java-home)
libraries=$library/classes/io/sails4j/native/linux-x86_64

# Found with jdeps, less what our jars reach only where it is there: XML and SQL types of Jackson and picocli, windows of JNA; java.desktop
# is for Jinjava, which names java.beans.
modules=java.base,java.desktop,java.logging,java.management,java.net.http,jdk.httpserver,jdk.jfr,jdk.unsupported

runtime() {
  # zip-0: the archive's gzip packs the classes better than jlink's own compression.
  "$jdk/bin/jlink" --add-modules "$modules" --strip-debug --no-header-files --no-man-pages --compress=zip-0 --output "$home/runtime"
}

# Packs the contents of a directory, in order and with the archive's date.
pack_jar() {
  local directory=$1 jar=$2
  (cd "$directory" && find . -type f ! -path ./META-INF/MANIFEST.MF | LC_ALL=C sort | sed 's,^\./,,' >"$out/files")
  local manifest=()
  [ ! -f "$directory/META-INF/MANIFEST.MF" ] || manifest=(--manifest "$directory/META-INF/MANIFEST.MF")
  (cd "$directory" && "$jdk/bin/jar" --create --date="$timestamp" --file "$jar" "${manifest[@]}" "@$out/files")
  rm "$out/files"
}

# A jar of others without their binaries for other platforms; DJL's tokenizers library moves to lib/native, so that nothing is unpacked when
# it runs.
third_party_jar() {
  local jar=$1 unpacked=$out/jar
  local binaries
  binaries=$("$jdk/bin/jar" --list --file "$jar" | grep -E '\.(so|dll|dylib|jnilib|a)$' || true)
  if [ -z "$binaries" ]; then
    cp "$jar" "$home/lib/"
    return
  fi
  rm -rf "$unpacked"
  mkdir "$unpacked"
  (cd "$unpacked" && "$jdk/bin/jar" --extract --file "$jar")
  local file
  while read -r file; do
    case $file in
      native/lib/linux-x86_64/cpu/libtokenizers.so) mv "$unpacked/$file" "$home/lib/native/" ;;
      */linux-x86-64/* | */Linux/x86_64/* | linux/amd64/*) ;;
      *) rm "$unpacked/$file" ;;
    esac
  done <<<"$binaries"
  pack_jar "$unpacked" "$home/lib/$(basename "$jar")"
  rm -rf "$unpacked"
}

jars() {
  mkdir -p "$out/classes"
  cp -R "$library/classes/." "$out/classes"
  rm -rf "$out/classes/io/sails4j/native"
  pack_jar "$out/classes" "$home/lib/sails4j-$version.jar"
  rm -rf "$out/classes"
  pack_jar "$cli/classes" "$home/lib/sails4j-cli-$version.jar"
  local jar
  { tr : '\n' <"$cli/classpath.txt" && echo; } | while read -r jar; do [ -z "$jar" ] || third_party_jar "$jar"; done
}

# oneDNN stays out: 27 MB packed, and libsails_cpu multiplies without it.
native_libraries() {
  local library
  for library in libsails_cpu.so libsails_emulator.so libgomp.so.1; do
    cp "$libraries/$library" "$home/lib/native/"
  done
  if [ -f "$libraries/libsails_cuda.so" ]; then
    cp "$libraries/libsails_cuda.so" "$home/lib/native/"
  else
    echo "sails4j: ATTENTION: THE ARCHIVE HAS NO libsails_cuda: no nvcc was found (or -Dsails.cuda=off). It will not use a GPU." >&2
  fi
  strip --strip-unneeded "$home"/lib/native/*
}

licences() {
  cp "$root/LICENSE" "$root/README.md" "$home/"
  mkdir "$home/licences"
  cp "$root/dist/third-party.md" "$home/licences/"
  local jar base file
  for jar in "$home"/lib/*.jar; do
    base=$(basename "$jar" .jar)
    [[ $base == sails4j-* ]] || grep -q "^| ${base%%-[0-9]*} |" "$root/dist/third-party.md" ||
      { echo "sails4j: $base is not in dist/third-party.md; add its licence there" >&2; exit 1; }
    "$jdk/bin/jar" --list --file "$jar" | (grep -E '^META-INF/(LICENSE|NOTICE|LGPL|AL)[^/]*$' || true) | while read -r file; do
      mkdir -p "$home/licences/$base"
      (cd "$home/licences/$base" && "$jdk/bin/jar" --extract --file "$jar" "$file" && mv "$file" . && rmdir META-INF)
    done
  done
}

contents() {
  {
    echo "sails4j $version"
    sed 's/^commit=/commit /;t;d' "$library/classes/io/sails4j/build.properties"
    echo "needs: Linux x86_64, glibc 2.34 or newer, libgcc_s and libstdc++; for --backend cuda an NVIDIA driver"
    echo "libraries: $(cd "$home/lib/native" && echo *)"
    [ -f "$home/lib/native/libsails_cuda.so" ] || echo "left out: libsails_cuda.so (no nvcc when it was built)"
    echo "left out: oneDNN (the CPU library multiplies with its own code)"
  } >"$home/BUILD"
}

rm -rf "$home"
mkdir -p "$home/bin" "$home/lib/native" "$home/tools"
runtime
jars
native_libraries
licences
contents
cp "$root/dist/sails" "$home/bin/sails"
[ ! -f "$root/tools/gpu-measure.sh" ] || cp -R "$root/tools/gpu-measure.sh" "$root/tools/gpu-measure" "$home/tools/"
chmod -R u=rwX,go=rX "$home"

archive=$out/$name.tar.gz
tar -C "$out" --sort=name --mtime="$timestamp" --owner=0 --group=0 --numeric-owner --format=gnu -cf - "$name" | gzip -9n >"$archive"
bytes=$(stat -c %s "$archive")
echo "sails4j: $archive, $((bytes >> 20)) MiB"
[ "$bytes" -lt "$limit_bytes" ] || { echo "sails4j: the archive is larger than 60 MiB" >&2; exit 1; }
