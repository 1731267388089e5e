#!/usr/bin/env bash
# The whole path on real data: plan, create, import, ask, change, export, verify. Every answer is
# checked against what sqlite3 says of the same CSV; the demo fails where one differs. All of it
# happens in a temporary directory, which is removed at the end.
#
# usage: demo.sh    (the command is $TACTUS, or build/release/cli/tactus, or on the path)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tactus=${TACTUS:-}
if [[ -z $tactus ]]; then
    tactus=$root/build/release/cli/tactus
    [[ -x $tactus ]] || tactus=$(command -v tactus) || { echo "demo: run 'make demo'" >&2; exit 2; }
fi
if ! command -v zstd > /dev/null; then
    echo "demo: zstd is missing; install the package zstd" >&2
    exit 2
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/tactus-demo-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
cp "$here/sale.tactus-schema" .

bold=
plain=
if [[ -t 1 ]]; then
    bold=$'\033[1m'
    plain=$'\033[0m'
fi
failures=0

step() {
    printf '\n%s%s%s\n' "$bold" "$1" "$plain"
}

# Shows the command as one would type it.
show() {
    local word
    printf '$ tactus'
    for word in "$@"; do
        if [[ ! $word =~ ^[A-Za-z0-9_./=@,:+-]+$ ]]; then word="\"$word\""; fi
        printf ' %s' "$word"
    done
    printf '\n'
}

run() {
    show "$@"
    "$tactus" "$@"
}

# expect NAME WANTED FOUND
expect() {
    if [[ $2 == "$3" ]]; then
        printf '  ok: %s\n' "$1"
    else
        printf '  DIFFERS: %s: wanted %s, found %s\n' "$1" "$2" "$3"
        failures=$((failures + 1))
    fi
}

# ask WANTED WHERE: the number of lines that the condition holds for, and how long it took.
ask() {
    local wanted=$1 where=$2 found begin end
    begin=$(date +%s%N)
    found=$("$tactus" query shop.tactus sale "$where" --format count)
    end=$(date +%s%N)
    show query shop.tactus sale "$where" --format count
    printf '%s\n' "$found"
    expect "$wanted lines, in $(((end - begin) / 1000000)) ms with opening the file" \
        "$wanted" "$found"
}

logical() {
    "$tactus" digest "$1" | sed -n 's/^sale .*logical=//p'
}

# figure NAME FILE.json
figure() {
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$2"
}

step 'What it will take'
run plan --schema sale.tactus-schema
planned=$("$tactus" plan --schema sale.tactus-schema --format json | tee plan.json \
    | sed -n 's/.*"memory_bytes":\([0-9]*\).*/\1/p')

step 'A data file'
run create shop.tactus --schema sale.tactus-schema

step 'The lines of a year, 541,909 of them'
zstd -dcq --long=27 "$here/online-retail.csv.zst" > sales.csv
columns=(--map id=@row --map invoice=InvoiceNo --map stock=StockCode --map customer=CustomerID
    --map at=InvoiceDate --map price=UnitPrice)
run import shop.tactus sale sales.csv "${columns[@]}" --sync none --stats none.json
expect 'lines in the file' 541909 "$("$tactus" query shop.tactus sale --format count)"

step 'Questions'
ask 17 "customer = 17850 and stock = '85123A'"
ask 1148 "country = 'Germany' and at >= '2011-11-01' and at < '2011-12-01'"
ask 9288 "invoice starts 'C'"
ask 133600 "customer = 0 and country = 'United Kingdom'"
ask 341 "stock = '22423' and not country = 'United Kingdom'"

run query shop.tactus sale 'customer = 17850' --order -at --limit 5 \
    --select at,invoice,stock,quantity,price --format table
last=$("$tactus" query shop.tactus sale 'customer = 17850' --order -at --limit 5 \
    --select at,id --format csv 2> /dev/null | tail -n +2 | tr '\n' ' ')
at=2011-02-10T14:38:00Z
expect 'the last lines of customer 17850, newest first' \
    "$at,86903 $at,86902 $at,86901 $at,86900 $at,86899 " "$last"

run query shop.tactus sale 'price < 0' --select id,invoice,price,description --format table
negative=$("$tactus" query shop.tactus sale 'price < 0' --select id,price | tail -n +2 \
    | tr '\n' ' ')
expect 'lines of a negative price' '299984,-11062.06 299985,-11062.06 ' "$negative"

quantity=$("$tactus" query shop.tactus sale --sum quantity)
expect 'the sum of all quantities' 5176450 "$quantity"

step 'A field is set, a line goes away'
run set shop.tactus sale 299984 'description=Adjust bad debt, again'
run remove shop.tactus sale 299985
expect 'lines of a negative price' 299984 \
    "$("$tactus" query shop.tactus sale 'price < 0' --select id | tail -n +2)"
if "$tactus" get shop.tactus sale 299985 > /dev/null 2>&1; then gone=no; else gone=yes; fi
expect 'the line is gone' yes "$gone"

step 'Out, and in again elsewhere'
printf '$ tactus export shop.tactus sale > export.csv\n'
"$tactus" export shop.tactus sale > export.csv
run create copy.tactus --schema sale.tactus-schema
run import copy.tactus sale export.csv --sync commit --stats commit.json
expect 'the same logical digest' "$(logical shop.tactus)" "$(logical copy.tactus)"
run digest shop.tactus

step 'All of it is sound'
run verify shop.tactus
run verify copy.tactus

step 'Figures'
size_of() {
    stat -c %s "$1"
}
rss=$(figure peak_rss_kib none.json)
printf '%-34s %12s bytes\n' 'CSV' "$(size_of sales.csv)" 'data file' "$(size_of shop.tactus)" \
    'memory planned' "$planned" 'memory used at most (peak RSS)' "$((rss * 1024))"
printf '%-34s %12.0f rows/s\n' 'import, sync none' "$(figure rows_per_second none.json)" \
    'import, sync commit' "$(figure rows_per_second commit.json)"
printf '%-34s %12s ms\n' 'a transaction, sync commit, p50' "$(figure commit_ms_p50 commit.json)" \
    'a transaction, sync commit, p99' "$(figure commit_ms_p99 commit.json)"
allowed=$((planned * 105 / 100 + 8 * 1024 * 1024))
if ((rss * 1024 <= allowed)); then within=yes; else within=no; fi
expect 'peak RSS is within the plan, 5 % and 8 MiB' yes "$within"

if ((failures > 0)); then
    printf '\ndemo: %d answers differ\n' "$failures" >&2
    exit 1
fi
printf '\nAll answers are as they should be.\n'
