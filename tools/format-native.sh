#!/usr/bin/env bash
# Lays out native code with clang-format 14 (.clang-format): format-native.sh writes, format-native.sh --check fails where it would. Another
# version lays out some lines otherwise: then nothing is done, aloud.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=${CLANG_FORMAT:-clang-format}
if ! command -v "$tool" >/dev/null; then
  echo "sails4j: $tool is not here, native code is not laid out (Debian/Ubuntu: apt-get install clang-format-14, or set CLANG_FORMAT)" >&2
  exit 0
fi
if ! "$tool" --version | grep -q 'version 14\.'; then
  echo "sails4j: $("$tool" --version) is not clang-format 14, native code is not laid out (set CLANG_FORMAT)" >&2
  exit 0
fi
mapfile -t files < <(find native kernels tests/native -type f \
  \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) | LC_ALL=C sort)
case ${1:-} in
  --check) exec "$tool" --dry-run --Werror "${files[@]}" ;;
  "") exec "$tool" -i "${files[@]}" ;;
  *) echo "sails4j: $1; expected nothing or --check" >&2; exit 2 ;;
esac
