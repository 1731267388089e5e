#!/usr/bin/env bash
# Installs the Debian packages that are missing: those of the build, of `make test` and of `make
# demo`, with --gate those of tools/gate.sh, too, with --peers the engines of `make bench-compare`.
# Where nothing is missing it does nothing, and needs no rights and no network. It never asks.
set -euo pipefail

missing=()

# need PACKAGE COMMAND...: the package is missing unless the command succeeds
need() {
    local package=$1
    shift
    if ! "$@" >/dev/null 2>&1; then missing+=("$package"); fi
}

has_command() { command -v "$1"; }
has_library() { command -v pkg-config && pkg-config --exists "$1"; }
has_header() { command -v gcc && echo "#include <$1>" | gcc -E -x c -; }

need gcc has_command gcc
need libc6-dev has_header stdio.h
need cmake has_command cmake
need ninja-build has_command ninja
need pkg-config has_command pkg-config
need python3 test -x /usr/bin/python3
need zstd has_command zstd
need liburing-dev has_library liburing
need libxxhash-dev has_library libxxhash
need libcmocka-dev has_library cmocka
need libcsv-dev has_header csv.h

if [ "${1:-}" = --gate ]; then
    need g++ has_command g++
    need clang-14 has_command clang-14
    need clang-format-14 has_command clang-format-14
    need libclang-rt-14-dev test -d /usr/lib/llvm-14/lib/clang
    need llvm-14 test -x /usr/lib/llvm-14/bin/llvm-symbolizer
    need cppcheck has_command cppcheck
    need codespell has_command codespell
    need gcovr has_command gcovr
fi

if [ "${1:-}" = --peers ]; then
    need librocksdb-dev has_library rocksdb
    need libsqlite3-dev has_library sqlite3
fi

if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "setup: missing: ${missing[*]}; install them as root:" >&2
        echo "    apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null; then
    echo "setup: missing, and there is no apt-get to install them: ${missing[*]}" >&2
    exit 1
fi

echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}"
