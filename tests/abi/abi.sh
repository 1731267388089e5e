#!/usr/bin/env bash
# What programs have built in: exported names, sizes, places and numbers, against the texts beside
# this script. `abi.sh --update` writes them anew, for a change that is meant (and says so in
# CHANGELOG.md).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source=${TACTUS_SOURCE:-$(cd "$here/../.." && pwd)}
library=${TACTUS_LIBRARY:?the shared library under test}
archive=${TACTUS_ARCHIVE:-}
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0
fail() {
    echo "abi: $*" >&2
    failed=1
}

# ---- names ----

nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | LC_ALL=C sort > "$work/symbols.txt"
sed 's/@.*//' "$work/symbols.txt" > "$work/names"
tr '\n' ' ' < "$source/include/tactus.h" | sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g' |
    grep -o 'TACTUS_API [^;{]*(' | grep -o 'tactus_[a-z0-9_]*(' | tr -d '(' |
    LC_ALL=C sort -u > "$work/declared"
diff "$work/declared" "$work/names" > "$work/diff" ||
    fail "declared in tactus.h (<) and exported (>) differ:" "$(cat "$work/diff")"

if [ -n "$archive" ] && [ -f "$archive" ]; then
    nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | LC_ALL=C sort > "$work/archive"
    # A sanitizer adds names of its own.
    grep '^tactus_' "$work/archive" > "$work/archive_ours" || true
    diff "$work/names" "$work/archive_ours" > "$work/diff" ||
        fail "the shared library (<) and the archive (>) differ:" "$(cat "$work/diff")"
    if [ -z "${TACTUS_SANITIZE:-}" ] && grep -v '^tactus_' "$work/archive" > "$work/foreign"; then
        fail "the archive shows names that may clash with a host's:" "$(cat "$work/foreign")"
    fi
fi

# ---- layout ----

"$cc" -std=c99 -Wall -Wextra -pedantic -I"$source/include" -o "$work/layout" "$here/layout.c"
"$work/layout" > "$work/layout.txt"
for name in $(
    grep -o '^struct tactus_[a-z0-9_]* {' "$source/include/tactus.h" | awk '{ print $2 }'
); do
    grep -q "^struct $name " "$work/layout.txt" || fail "layout.c does not know struct $name"
done
for name in $(grep -o '^ *TACTUS_[A-Z0-9_]* = ' "$source/include/tactus.h" | awk '{ print $1 }'); do
    grep -q "^$name " "$work/layout.txt" || fail "layout.c does not know $name"
done

if [ "${1:-}" = --update ]; then
    cp "$work/symbols.txt" "$work/layout.txt" "$here"
    exit "$failed"
fi
diff "$here/symbols.txt" "$work/symbols.txt" > "$work/diff" ||
    fail "exported names changed:" "$(cat "$work/diff")"
if grep -q '^pointer 8$' "$work/layout.txt"; then
    diff "$here/layout.txt" "$work/layout.txt" > "$work/diff" ||
        fail "structs or numbers changed:" "$(cat "$work/diff")"
fi
exit "$failed"
