#!/usr/bin/env bash
# Writes what was built, for `sails --version` and for tables of measurements: build-properties.sh <file> <version>. The commit is `unknown`
# outside a git checkout, and ends in +changes where files differ from it. The file is touched only when its contents change.
set -euo pipefail
file=$1
version=$2
cd "$(dirname "${BASH_SOURCE[0]}")/.."

commit=unknown
# Only this checkout's own repository, not one that an unpacked copy happens to lie in.
if [ -e .git ] && command -v git >/dev/null; then
  commit=$(git rev-parse --short=12 HEAD)
  [ -z "$(git status --porcelain --untracked-files=no)" ] || commit=$commit+changes
fi
text=$(printf 'version=%s\ncommit=%s' "$version" "$commit")
[ -f "$file" ] && [ "$(cat "$file")" = "$text" ] && exit 0
mkdir -p "$(dirname "$file")"
printf '%s\n' "$text" >"$file"
