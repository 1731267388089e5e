#!/usr/bin/env bash
# kill -9 during an import under --sync commit --ack, at random moments: every acknowledged row is
# there, verify passes, and the import goes on with --on-exists skip. TACTUS_KILL_ROUNDS: how often
# (5); TACTUS_KILL_SEED: which moments (a fixed one).
set -euo pipefail

tactus=${TACTUS:?the command under test}
rounds=${TACTUS_KILL_ROUNDS:-5}
RANDOM=${TACTUS_KILL_SEED:-7}
rows=20000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

die() {
    echo "kill: $*" >&2
    exit 1
}

cat > schema <<'END'
collection sale {
  id        u64
  invoice   text(8)  index
  customer  u32      optional index
  price     decimal(3)
  country   text(20) index
}
END
awk -v rows=$rows 'BEGIN {
    print "invoice,customer,price,country"
    for (i = 1; i <= rows; i += 1) {
        customer = i % 5 ? i % 997 + 1 : ""
        printf "%d,%s,%d.%02d,Country %d\n", i / 10, customer, i % 50, i % 100, i % 38
    }
}' > rows.csv

import() {
    exec "$tactus" import shop.tactus sale rows.csv --map id=@row --on-exists skip \
        --sync commit --transaction 32 --ack
}

create() {
    "$tactus" create shop.tactus --schema schema --overwrite \
        --block-size 4K --batch 64 --bar 4 --journal 1M --size-max 1G 2> created
}

# The number of rows; a warning of what the kill tore goes into a file.
count() {
    "$tactus" query shop.tactus sale "$@" --format count 2> counted || { cat counted >&2; exit 1; }
}

# What is there must be the first so many rows, and at least the acknowledged ones.
check() {
    local acked=$1 there last
    "$tactus" verify shop.tactus > verified 2>&1 || { cat verified >&2; die "verify failed"; }
    there=$(count)
    last=$(count "id <= $there")
    ((there >= acked)) || die "$acked rows were acknowledged and $there are there"
    ((last == there)) || die "a row is missing among the first $there"
}

# How long a whole import takes here, in ms: a kill comes at a random moment within that.
create
begin=$(date +%s%N)
(import) > acks 2> words || { cat words >&2; die "the import fails"; }
whole=$((($(date +%s%N) - begin) / 1000000 + 20))

create
killed=0
for ((attempt = 1; killed < rounds && attempt <= 10 * rounds; attempt += 1)); do
    : > acks
    (import) > acks 2> words &
    process=$!
    moment=$(((RANDOM * 32768 + RANDOM) % whole))
    sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
    if kill -9 $process 2> /dev/null; then killed=$((killed + 1)); fi
    wait $process 2> /dev/null || true
    acked=$(tail -n 1 acks | sed -n 's/^ack \([0-9][0-9]*\)$/\1/p') # a torn last line says nothing
    check "${acked:-0}"
    if (($(count) > rows / 2)); then
        create # little would be left to kill in: begin anew
    fi
done
((killed == rounds)) || die "it could be killed only $killed times"

(import) > acks 2> words || { cat words >&2; die "the import does not go on"; }
[[ $(tail -n 1 acks) == "ack $rows" ]] || die "the last acknowledgement is $(tail -n 1 acks)"
check $rows
[[ $(count) == "$rows" ]] || die "rows are missing"
echo "killed $killed times in $((attempt - 1)) imports; all acknowledged rows were there"
