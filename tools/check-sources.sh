#!/usr/bin/env bash
# What Maven cannot lay out or compile: scripts by shellcheck, native code by clang-format. A tool that is not here is named and skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if command -v shellcheck >/dev/null; then
  shellcheck -S warning sails dist/sails .ci/run dist/*.sh native/*.sh jmh/peers/*.sh tests/*/*.sh tools/*.sh
else
  echo "sails4j: shellcheck is not here, scripts are not checked (Debian/Ubuntu: apt-get install shellcheck)" >&2
fi
tools/format-native.sh --check
