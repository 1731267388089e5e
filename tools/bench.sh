#!/usr/bin/env bash
# Measures an import of the demo data (541,909 rows of 160 bytes, 7 trees) into a new file: without
# any flush, and with each commit durable before the next begins. Rows/s as `import --stats` says.
#
#     TACTUS=path/of/tactus tools/bench.sh [DIRECTORY]
#
# DIRECTORY, by default that of temporary files, decides which disk is measured.
set -euo pipefail

cd "$(dirname "$0")/.."
tactus=${TACTUS:-build/release/cli/tactus}
shop=examples/shop
work=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/tactus-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

zstd -q -dc "$shop/online-retail.csv.zst" >"$work/sales.csv"

echo "$("$tactus" --version), $(uname -m), $(nproc) CPUs, $(stat -f -c %T "$work")"
printf '%-8s %10s %9s %12s %12s\n' sync rows seconds rows/s 'file bytes'
for sync in none commit; do
    file=$work/$sync.tactus
    "$tactus" create "$file" --schema "$shop/sale.tactus-schema" >/dev/null
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
