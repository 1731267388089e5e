#!/usr/bin/env bash
# The gate, the same for a developer and for CI. Cheap steps first; the first that fails ends it.
#
#     tools/gate.sh [STEP...]     all steps, or those that are named, in the order below
#
# FUZZ_SECONDS, 5 by default, is how long each fuzz target runs.
set -euo pipefail
cd "$(dirname "$0")/.."

steps=(format lint header build tests threads clang_tests static fuzz demo package)
compilers=(gcc clang-14)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

c_files() {
    local folder folders=()
    for folder in include src cli tests bench examples bindings; do
        [ -d "$folder" ] && folders+=("$folder")
    done
    find "${folders[@]}" -name '*.[ch]' -print | sort
}

# preset_build PRESET [WORD...]: words go to cmake --build
preset_build() {
    local log=$scratch/$1.log
    { cmake --preset "$1" && cmake --build --preset "$1" "${@:2}"; } >"$log" 2>&1 || {
        tail -n 60 "$log"
        return 1
    }
}

step_format() {
    c_files | xargs clang-format-14 --dry-run -Werror 2>&1 | head -n 60
}

step_lint() {
    tools/lint.py --figures
    codespell
}

# The public header is clean in the oldest dialects it promises.
step_header() {
    local compiler
    for compiler in "${compilers[@]}"; do
        echo '#include "tactus.h"' | "$compiler" -std=c99 -pedantic -Wall -Wextra -Wundef -Werror \
            -Iinclude -fsyntax-only -x c -
    done
    for compiler in g++ clang-14; do
        echo '#include "tactus.h"' | "$compiler" -std=c++11 -pedantic -Wall -Wextra -Wundef \
            -Werror -Iinclude -fsyntax-only -x c++ -
    done
}

# Warnings are errors in both.
step_build() {
    preset_build gcc
    preset_build clang
}

step_tests() {
    preset_build asan
    ctest --preset asan -j2
}

# Under ThreadSanitizer: the programs that have two threads.
step_threads() {
    local name programs=(unit/base/worker unit/storage/grid_view model/grid_view)
    local targets=() pattern
    for name in "${programs[@]}"; do
        targets+=("test_${name//\//_}")
    done
    pattern=$(IFS='|'; echo "${programs[*]}")
    preset_build tsan --target "${targets[@]}"
    ctest --test-dir build/tsan -R "^($pattern)\$" --no-tests=error --output-on-failure -j2
}

step_clang_tests() {
    ctest --preset clang -j2 -L 'unit|tools|fuzz'
}

# Left out is what cppcheck 2.10 gets wrong: a compound literal in a conditional expression, a
# callback given the address of a local, arrays that a callee fills. gcc and clang see those better.
step_static() {
    cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
        -j2 -D_GNU_SOURCE -D__BYTE_ORDER__=1234 -D__ORDER_BIG_ENDIAN__=4321 \
        --suppress=unknownMacro --suppress=missingIncludeSystem --suppress=internalAstError \
        --suppress=returnDanglingLifetime --suppress=uninitvar \
        -Isrc -Iinclude -I. src cli bench
}

step_fuzz() {
    local target name seeds=() corpus
    preset_build fuzz
    for target in build/fuzz/tests/*_fuzz; do
        [ -x "$target" ] || continue
        name=$(basename "$target" _fuzz)
        corpus=$scratch/corpus/$name
        mkdir -p "$corpus"
        seeds=()
        [ -d "tests/fuzz/corpus/$name" ] && seeds=("tests/fuzz/corpus/$name")
        echo "fuzz $name"
        "$target" -max_total_time="${FUZZ_SECONDS:-5}" -rss_limit_mb=2048 -timeout=10 \
            -verbosity=0 -artifact_prefix=build/fuzz/ "$corpus" "${seeds[@]}" \
            >"$scratch/$name.log" 2>&1 || {
            tail -n 60 "$scratch/$name.log"
            return 1
        }
    done
}

step_demo() {
    make demo >"$scratch/demo.log" 2>&1 || { tail -n 40 "$scratch/demo.log"; return 1; }
    tail -n 5 "$scratch/demo.log"
}

# What is installed serves a stranger's build, by pkg-config and by CMake, shared and static.
step_package() {
    local prefix=$scratch/prefix libdir
    preset_build gcc
    cmake --install build/gcc --prefix "$prefix" >/dev/null
    libdir=$(dirname "$(find "$prefix" -name libtactus.a)")
    "$prefix/bin/tactus" --version

    local strangers
    strangers=$(nm -D --defined-only --format=posix "$libdir/libtactus.so" |
        awk '$2 != "A" && $1 !~ /^tactus_/ { print $1 }')
    strangers+=$(nm -g --defined-only --format=posix "$libdir/libtactus.a" 2>/dev/null |
        awk 'NF > 2 && $1 !~ /^tactus_/ { print $1 }')
    if [ -n "$strangers" ]; then
        echo "exported, though not ours to export: $strangers"
        return 1
    fi

    export PKG_CONFIG_PATH=$libdir/pkgconfig
    local source=tests/package/consumer.c flags=(-std=c99 -Wall -Wextra -Werror)
    # shellcheck disable=SC2046
    gcc "${flags[@]}" "$source" -o "$scratch/shared" $(pkg-config --cflags --libs tactus)
    LD_LIBRARY_PATH=$libdir "$scratch/shared"
    # shellcheck disable=SC2046
    gcc "${flags[@]}" "$source" -o "$scratch/static" $(pkg-config --cflags tactus) \
        "$libdir/libtactus.a" $(pkg-config --libs liburing libxxhash)
    "$scratch/static"
    # shellcheck disable=SC2046
    g++ -std=c++11 -x c++ "$source" -x none -o "$scratch/cpp" \
        $(pkg-config --cflags --libs tactus) "-Wl,-rpath,$libdir"
    "$scratch/cpp"

    cmake -S tests/package -B "$scratch/consumer" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
    cmake --build "$scratch/consumer" >/dev/null
    "$scratch/consumer/consumer_shared"
    "$scratch/consumer/consumer_static"
}

[ $# -gt 0 ] && steps=("$@")
begin=$SECONDS
for step in "${steps[@]}"; do
    step_begin=$SECONDS
    echo "== $step"
    # set -e does not reach into a function that is tested by `if`, so it runs in a shell of its own
    set +e
    (set -euo pipefail; "step_$step")
    status=$?
    set -e
    if [ $status -ne 0 ]; then
        echo "== $step FAILED after $((SECONDS - step_begin)) s"
        exit 1
    fi
    echo "== $step: $((SECONDS - step_begin)) s"
done
echo "== gate passed: $((SECONDS - begin)) s"
