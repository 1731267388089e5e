#!/usr/bin/env bash
# Measures Tactus on this machine: the workloads of `tactus bench`, small enough for about a minute
# in all, and an import of the demo data. With --compare, at full size, beside the other engines
# that tactus-bench was built with; the objects are OBJECTS, 10,000,000 if not given.
#
#     TACTUS=path/of/tactus tools/bench.sh [DIRECTORY]
#     TACTUS_BENCH=path/of/tactus-bench tools/bench.sh --compare [DIRECTORY]
#
# DIRECTORY, by default that of temporary files, decides which disk is measured. FORMAT=json prints
# a JSON object for each engine and run in place of tables.
set -euo pipefail

cd "$(dirname "$0")/.."
compare=no
if [ "${1:-}" = --compare ]; then
    compare=yes
    shift
fi
format=${FORMAT:-table}
export TMPDIR=${1:-${TMPDIR:-/tmp}}

# workload PROGRAM WORD...: one run, and a blank line after a table
workload() {
    "$@" --format "$format"
    [ "$format" = json ] || echo
}

if [ "$compare" = yes ]; then
    peers=("${TACTUS_BENCH:-build/bench/bench/peers/tactus-bench}")
    share=(--engine tactus,rocksdb --budget 1G)
    objects=${OBJECTS:-10000000}
    workload "${peers[@]}" ledger --engine all --budget 1G --objects "$objects" \
        --reads both --seconds 5
    workload "${peers[@]}" ledger "${share[@]}" --objects "$objects" --sync commit
    # The setting with which RocksDB writes least, where the other is the one that is quickest.
    workload "${peers[@]}" ledger --engine rocksdb --budget 1G --objects "$objects" --peer-buffers 3
    for transaction in 1 100; do
        workload "${peers[@]}" small "${share[@]}" --objects "$((objects / 20))" \
            --transaction "$transaction"
    done
    workload "${peers[@]}" small "${share[@]}" --objects "$((objects / 200))" --sync commit
    exit 0
fi

tactus=${TACTUS:-build/release/cli/tactus}
workload "$tactus" bench ledger --objects 1000000 --reads both --seconds 1
workload "$tactus" bench intersect --objects 1000000
workload "$tactus" bench ledger --objects 1000000 --sync commit
workload "$tactus" bench small --objects 100000
workload "$tactus" bench small --objects 500000 --transaction 100
workload "$tactus" bench small --objects 10000 --sync commit
workload "$tactus" bench ledger --objects 100000 --memory 4M --overwrite 10
[ "$format" = json ] && exit 0

shop=examples/shop
work=$(mktemp -d "$TMPDIR/tactus-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
zstd -q -dc "$shop/online-retail.csv.zst" >"$work/sales.csv"

echo "import: the rows of $shop, 160 bytes and 8 trees each"
printf '%-8s %10s %9s %12s %12s\n' sync rows seconds rows/s 'file bytes'
for sync in none commit; do
    file=$work/$sync.tactus
    "$tactus" create "$file" --schema "$shop/sale.tactus-schema" >/dev/null 2>&1
    "$tactus" import "$file" sale "$work/sales.csv" --sync "$sync" --stats "$work/$sync.json" \
        --map id=@row --map invoice=InvoiceNo --map stock=StockCode --map customer=CustomerID \
        --map at=InvoiceDate --map price=UnitPrice >/dev/null 2>&1
    /usr/bin/python3 - "$sync" "$work/$sync.json" "$file" <<'END'
import json
import os
import sys

sync, path, file = sys.argv[1:]
with open(path, encoding="utf-8") as text:
    stats = json.load(text)
rows, seconds, speed = stats["imported"], stats["seconds"], stats["rows_per_second"]
print(f"{sync:8} {rows:10,} {seconds:9.2f} {speed:12,.0f} {os.path.getsize(file):12,}")
END
done
