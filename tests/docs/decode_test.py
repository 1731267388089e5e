#!/usr/bin/python3
"""tools/decode.py, which was written from docs/format.md alone, reads what the command wrote: fresh
files, files with only a journal, after checkpoints, after updates and removals, with every type."""
import csv
import io
import os
import random
import shutil
import struct
import subprocess
import sys

import support

SCHEMA = """\
# every type, and indexes of all kinds
collection one {
  id  u64
  a u8 index   b u16 optional index sparse
  c u32
  d i8 index
  e i16   f i32
  g i64 optional index
  h f32 index
  i f64 optional
  j bool
  k time optional index
  l decimal(2) index
  m text(24) index
  n bytes(5) optional index hash
  o reserved(3)
  p uuid optional index
  q u128
  index ab (a, b)
  index mixed (d, e, j, a)
}
collection two { x text(8) index  y u64 }
"""
FLOATS = ("h", "i")
SMALL = ["--block-size", "4K", "--batch", "64", "--bar", "4", "--journal", "2M", "--size-max", "1G"]
HEADER = "id,a,b,c,d,e,f,g,h,i,j,k,l,m,n,p,q".split(",")
TIMES = ["", "2010-12-01 08:26", "1969-12-31T23:59:59.000000001Z", "2200-02-28T23:59:59.5+01:00"]


def tactus(*words, given=None):
    return support.run([support.command(), *words], input=given)


def decode(*words):
    return support.run(["/usr/bin/python3", str(support.ROOT / "tools/decode.py"), *words])


def row(chance, number):
    """A row of collection one. The ids are spread, but each is there once."""
    return [
        number * 0x9E3779B97F4A7C15 % 2**64, chance.randrange(256),
        chance.choice(["", chance.randrange(1, 65536)]), chance.randrange(2**32),
        chance.randrange(-128, 128), chance.randrange(-2**15, 2**15),
        chance.randrange(-2**31, 2**31),
        chance.choice(["", chance.randrange(-2**63, 2**63)]),
        chance.choice([0.5, -1e30, chance.random()]), chance.choice(["", 1e22, -chance.random()]),
        chance.choice(["true", "false"]), chance.choice(TIMES),
        chance.choice(["2.55", "-0.01", "100", "-7.10", "0"]),
        chance.choice(["", "Österreich", 'a"b', "x, y", "exactly 24 bytes of text"]),
        f"{chance.randrange(2**40):010x}",
        chance.choice(["", f"{chance.randrange(1, 2**128):032x}"]), chance.randrange(2**128),
    ]


def make(name, *options):
    with open("schema", "w", encoding="utf-8") as file:
        file.write(SCHEMA)
    tactus("create", name, "--schema", "schema", *(options or SMALL))


def fill(name, first, last, *options, seed=1):
    chance, text = random.Random(seed), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for number in range(first, last):
        writer.writerow(row(chance, number))
    tactus("import", name, "one", "--sync", "none", *options, given=text.getvalue())


def rows(text):
    """The rows, with floats as numbers: decode.py shows them with digits of its own."""
    found = list(csv.DictReader(io.StringIO(text)))
    for item in found:
        for name in FLOATS:
            if item.get(name):
                code = "<f" if name == "h" else "<d"
                item[name] = struct.unpack(code, struct.pack(code, float(item[name])))
    return found


def compare(name):
    for collection in ("one", "two"):
        wanted = rows(tactus("export", name, collection))
        found = rows(decode(name, "dump", collection))
        assert len(wanted) == len(found), f"{collection}: {len(wanted)} rows, decoded {len(found)}"
        for one, other in zip(wanted, found):
            assert one == other, f"{collection}:\n{one}\n{other}"


def figures(name):
    return dict(line.rsplit(" ", 1) for line in decode(name).splitlines())


def test_an_empty_file():
    make("a.tactus")
    compare("a.tactus")
    assert figures("a.tactus")["op_covered"] == "0"


def test_what_is_only_in_the_journal():
    make("a.tactus")
    fill("a.tactus", 1, 200, "--no-checkpoint")
    assert len(decode("a.tactus", "journal").splitlines()) == 4
    compare("a.tactus")


def test_what_is_only_in_tables():
    make("a.tactus")
    fill("a.tactus", 1, 3000)
    assert decode("a.tactus", "journal") == ""
    assert "level 0" in decode("a.tactus", "trees")
    compare("a.tactus")


def test_tables_and_journal_with_updates_and_removals():
    make("a.tactus")
    fill("a.tactus", 1, 6000, "--no-checkpoint")
    fill("a.tactus", 1000, 1700, "--on-exists", "replace", "--no-checkpoint", seed=2)
    gone = [str(number * 0x9E3779B97F4A7C15 % 2**64) for number in range(500, 1500, 7)]
    tactus("remove", "a.tactus", "one", *gone[:64])
    tactus("remove", "a.tactus", "one", *gone[64:])
    tactus("import", "a.tactus", "two", "--no-checkpoint", given="x,y\nab,1\n,2\nÖ,3\n")
    assert int(figures("a.tactus")["op_covered"]) > 0
    assert decode("a.tactus", "journal") != ""
    compare("a.tactus")


def test_default_options():
    make("a.tactus", "--size-max", "64G")
    fill("a.tactus", 1, 5000)
    fill("a.tactus", 5000, 6000, "--no-checkpoint", seed=3)
    compare("a.tactus")


def test_a_ring_that_has_gone_round():
    make("a.tactus")
    for turn in range(8):
        fill("a.tactus", 1 + turn * 900, 901 + turn * 900, "--no-checkpoint", seed=turn)
    compare("a.tactus")


def test_without_checksums_it_reads_the_same():
    make("a.tactus")
    fill("a.tactus", 1, 3000, "--no-checkpoint")
    words = [str(support.ROOT / "tools/decode.py"), "a.tactus", "dump", "one"]
    assert decode("a.tactus", "dump", "one") == support.run(["/usr/bin/python3", "-S", *words])


def test_digests_are_what_the_format_says():
    """The end of docs/format.md; needs the checksums."""
    sys.path.insert(0, str(support.ROOT / "tools"))
    import decode as decoder

    if decoder.xxhash is None:
        print("       (not computed: python3-xxhash is missing)")
        return
    for keep in ("1", "3"):
        make("a.tactus", *SMALL, "--keep", keep, "--overwrite")
        for first in range(1, 3000, 600):
            fill("a.tactus", first, first + 600, *["--no-checkpoint"] * (first > 2000))
        compare_digests(decoder)


def compare_digests(decoder):
    file, said, names = decoder.File("a.tactus"), [], b""

    def say(name, seed, data):
        digest = decoder.checksum(seed, data, None)
        said.append(f"{name}{int.from_bytes(digest, 'little'):032x}")
        return digest

    for collection in file.collections:
        objects = file.objects(collection)
        whole = b"".join(objects) + struct.pack("<Q", len(objects))
        digest = say(f"{collection.name} objects={len(objects)} logical=", bytes(16), whole)
        names += collection.name.encode() + b"\0" + digest
    say("logical ", bytes(16), names)
    image = file.superblock[320:616] + file.superblock[256:312]
    acquired, generations = (file.trailer(offset, decoder.FREE_SET) for offset in (424, 480))
    size, released = len(acquired), 0
    for at in range(0, len(generations), size):
        released |= int.from_bytes(generations[at:at + size], "little")
    acquired = int.from_bytes(acquired, "little")
    for address in range(1, acquired.bit_length() + 1):
        if (acquired & ~released) >> (address - 1) & 1:
            place = file.grid + (address - 1) * file.block_size
            image += struct.pack("<Q", address) + file.at(place, 16)
    for entry in file.journal():
        image += entry[112:120] + decoder.checksum(file.file_id, entry[64:256], None)
    say("physical ", file.file_id, image)
    assert said == tactus("digest", "a.tactus").splitlines(), said


def test_filters_are_what_the_format_says():
    """Each key of an id tree's tables passes its filter, which records() checks; few others do."""
    sys.path.insert(0, str(support.ROOT / "tools"))
    import decode as decoder

    if decoder.xxhash is None:
        print("       (not computed: python3-xxhash is missing)")
        return
    make("a.tactus")
    fill("a.tactus", 1, 6000)
    asked, passes = [], decoder.passes

    def note(buckets, key):
        asked.append((buckets, key))
        return passes(buckets, key)

    decoder.passes = note
    file = decoder.File("a.tactus")
    trees = [decoder.u16(table, 100) for table in file.tables() for _ in file.records(table)]
    decoder.passes = passes
    assert len(asked) == trees.count(2) >= 5999, (len(asked), trees.count(2))
    assert {len(key) for _, key in asked} == {8}
    absent = sum(passes(buckets, bytes([key[0] ^ 1]) + key[1:]) for buckets, key in asked)
    assert 0 < absent < 0.02 * len(asked), absent
    buckets, key = asked[0]
    assert passes(b"\xff" * len(buckets), key) and not passes(bytes(len(buckets)), key)


def test_damage_is_said():
    make("a.tactus")
    fill("a.tactus", 1, 3000)
    shutil.copy("a.tactus", "b.tactus")
    size = os.path.getsize("b.tactus")
    with open("b.tactus", "r+b") as file:  # all blocks that there are
        file.seek(65536 + 2 * 1024 * 1024)
        file.write(bytes(size - file.tell()))
    words = ["/usr/bin/python3", str(support.ROOT / "tools/decode.py"), "b.tactus"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("decode: "), done


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    support.command()
    support.main([
        test_an_empty_file, test_what_is_only_in_the_journal, test_what_is_only_in_tables,
        test_tables_and_journal_with_updates_and_removals, test_default_options,
        test_a_ring_that_has_gone_round, test_without_checksums_it_reads_the_same,
        test_digests_are_what_the_format_says, test_filters_are_what_the_format_says,
        test_damage_is_said,
    ])
