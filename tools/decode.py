#!/usr/bin/python3
"""Reads a Tactus data file by what docs/format.md says, without any code of the library.

    tools/decode.py FILE [superblock]      the options of the file and its checkpoint
    tools/decode.py FILE journal           the entries that continue the checkpoint
    tools/decode.py FILE trees             every tree: tables and records by level
    tools/decode.py FILE dump NAME         live objects as CSV: the checkpoint, then the journal

Standard library only; checksums are compared where Debian's python3-xxhash is installed. Numbers
in parentheses are sections of docs/format.md."""
import csv
import datetime
import re
import struct
import sys
import types

try:
    import xxhash
except ImportError:
    xxhash = None

SECTOR, SLOT, TOMBSTONE = 4096, 16384, 1 << 63
FREE_SET, STATE, SCHEMA, MANIFEST, ROOT, LEAF, VALUE, FILTER = 1, 2, 3, 4, 5, 6, 7, 8
SALTS = (  # of filters (9)
    0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)
SIZES = {  # of a type; 0: the number in parentheses (4)
    "u8": 1, "u16": 2, "u32": 4, "u64": 8, "u128": 16, "uuid": 16, "i8": 1, "i16": 2, "i32": 4,
    "i64": 8, "f32": 4, "f64": 8, "bool": 1, "timestamp": 8, "time": 8, "decimal": 8, "text": 0,
    "bytes": 0, "reserved": 0}


def check(fact, words):
    if not fact:
        raise ValueError(words)


def checksum(seed, data, wanted):
    """(2): of the seed and the data; `wanted` where it cannot be computed."""
    hashed = xxhash and xxhash.xxh3_128_intdigest(seed + data).to_bytes(16, "little")
    return hashed or wanted


def round_up(number, multiple):
    return -(-number // multiple) * multiple


u16, u32, u64 = (
    lambda data, at, code=code: struct.unpack_from("<" + code, data, at)[0] for code in "HIQ")


def passes(buckets, key):
    """(9): whether a filter may hold the key."""
    hashed = xxhash.xxh3_64_intdigest(key)
    words = struct.unpack_from("<8I", buckets, ((hashed >> 32) * (len(buckets) // 32) >> 32) * 32)
    return all(word >> (hashed * salt % 2**32 >> 27) & 1 for word, salt in zip(words, SALTS))


class File:
    def __init__(self, path):
        self.stream = open(path, "rb")
        self.superblock = data = self.read_superblock()
        self.block_size, self.file_id = u32(data, 36), data[48:64]
        self.ring, self.journal_bytes = 4 * SLOT, u64(data, 96)  # (1)
        self.grid = self.ring + self.journal_bytes + round_up(self.journal_bytes // 16, SECTOR)
        self.collections = parse_schema(self.trailer(256, SCHEMA).decode())

    def at(self, offset, size):
        self.stream.seek(offset)
        return self.stream.read(size).ljust(size, b"\0")

    def read_superblock(self):
        """(3): the newest sequence of which two copies are whole, else the child of two."""
        groups = {}
        for slot in range(4):
            data = self.at(slot * SLOT, SECTOR)
            if data[:8] == b"TACTUSDB" and checksum(bytes(16), data[32:], data[8:24]) == data[8:24]:
                groups.setdefault(data[8:24], []).append(data)
        ranked = sorted(groups.values(), key=lambda group: u64(group[0], 40), reverse=True)
        chosen = [group[0] for group in ranked if len(group) > 1]
        if not chosen and len(ranked) == 2 and ranked[0][0][64:80] == ranked[1][0][8:24]:
            chosen = ranked[0]
        check(chosen, "no two whole copies of the superblock agree")
        check(u32(chosen[0], 32) == 1, f"format {u32(chosen[0], 32)}: this reads format 1")
        return chosen[0]

    def block(self, address, wanted, kind, tree):
        """(5): the metadata of a block's header, and its body."""
        words, offset = f"block {address}: ", self.grid + (address - 1) * self.block_size
        size = u32(self.at(offset, 128), 48)
        check(128 <= size <= self.block_size, words + "its size cannot be")
        data = self.at(offset, size)
        check(checksum(self.file_id, data[16:], data[:16]) == data[:16], words + "is damaged")
        check(data[:16] == wanted and u64(data, 32) == address, words + "is a stray one")
        check(data[54] == kind and u16(data, 52) == tree, words + "is of another kind")
        return data[56:120], data[128:]

    def chain(self, reference, kind, count=2**64):
        """Bodies of up to `count` blocks that each name the one before, from the oldest on."""
        bodies = []
        while u64(reference, 0) != 0 and len(bodies) < count:
            check(len(bodies) < u64(self.superblock, 608), "a chain of blocks runs in a circle")
            reference, body = self.block(u64(reference, 0), reference[16:32], kind, 0)
            bodies.append(body)
        return bodies[::-1]

    def trailer(self, offset, kind):
        """(6): a byte string, named by the superblock at this offset."""
        reference = self.superblock[offset:offset + 56]
        whole = b"".join(self.chain(reference, kind))
        good = not whole or checksum(self.file_id, whole, reference[40:56]) == reference[40:56]
        check(good and len(whole) == u64(reference, 32), "a trailer is not whole")
        return whole

    def entry_at(self, offset, op, predecessor, before):
        """(7): the journal entry `op` if it lies there whole, else None."""
        head = self.at(self.ring + offset, 256)
        size, epoch, durable = u64(head, 136), u64(head, 16), u64(head, 24)
        now, first_op = u64(self.superblock, 80), u64(self.superblock, 88)
        fits = (
            checksum(self.file_id, head[16:], head[:16]) == head[:16]
            and head[96:112] == self.file_id and head[149] == 1 and u64(head, 112) == op
            and u64(head, 32) == offset and (epoch < now if op < first_op else epoch == now)
            and (predecessor is None or head[64:80] == predecessor)
            and epoch >= before[0] and durable >= before[1]
            and 256 <= size <= self.journal_bytes - offset)
        data = self.at(self.ring + offset, size) if fits else head
        fits = fits and checksum(self.file_id, data[256:], head[80:96]) == head[80:96]
        return data if fits else None

    def journal(self):
        """(7): the entries behind the checkpoint, in order, up to the first that does not fit."""
        offset, op = u64(self.superblock, 344), u64(self.superblock, 320) + 1
        predecessor, before = self.superblock[352:368], (0, 0)
        while data := (self.entry_at(offset, op, predecessor, before)
                       or self.entry_at(0, op, predecessor, before)):
            yield data
            offset = (u64(data, 32) + round_up(len(data), SECTOR)) % self.journal_bytes
            op, before = op + 1, (u64(data, 16), u64(data, 24))
            predecessor = checksum(self.file_id, data[64:256], None)

    def tables(self):
        """(8): the newest events of the tables that live."""
        live = {}
        for body in self.chain(self.superblock[568:600], MANIFEST, u64(self.superblock, 600)):
            live.update((u64(body, at + 64), body[at:at + 128]) for at in range(0, len(body), 128))
        return [event for event in live.values() if event[103] != 3]

    def records(self, table):
        """(9): all records of a table, ascending; where it has a filter, that knows their keys."""
        tree = u16(table, 100)
        about, root = self.block(u64(table, 64), table[48:64], ROOT, tree)
        leaves, key, filters = u32(about, 0), u32(about, 4), u32(about, 8) if xxhash else 0
        end = leaves * (key + 32)
        buckets = b"".join(self.block(u64(root, at), root[at + 16:at + 32], FILTER, tree)[1]
                           for at in range(end, end + filters * 32, 32))
        for at in range(leaves * key, end, 32):
            about, leaf = self.block(u64(root, at), root[at + 16:at + 32], LEAF, tree)
            count = u32(about, 0)
            for place in range(count):
                address = u64(leaf, 2 * count * key + place * 8)
                at = count * (2 * key + 8) + place * 16
                about, body = self.block(address, leaf[at:at + 16], VALUE, tree)
                for offset in range(0, len(body), u32(about, 4)):
                    record = body[offset:offset + u32(about, 4)]
                    check(not buckets or passes(buckets, record[:key]), "a filter hides a key")
                    yield record

    def objects(self, collection):
        """(10): live objects by timestamp or key: the levels, oldest first, then the journal."""
        live, flags, key = {}, collection.flags, collection.key
        tables = [table for table in self.tables() if u16(table, 100) == collection.tree]
        for table in sorted(tables, key=lambda table: -table[102]):
            for record in self.records(table):
                dead = u64(record, flags) & TOMBSTONE
                number = int.from_bytes(record[key], "little") - dead * (not collection.is_map)
                if collection.is_map:  # the flags are none of the object
                    record = record[:flags] + record[flags + 8:]
                live[number] = None if dead else record
        for entry in self.journal():
            at = 256
            while at < len(entry):
                kind, of, size = entry[at], u16(entry, at + 2), u32(entry, at + 4)
                payload = entry[at + 8:at + 8 + size]
                if of == collection.number:
                    dead = kind in (3, 5)
                    number = int.from_bytes(payload if dead else payload[key], "little")
                    live[number] = None if dead else payload
                at += 8 + size
        return [live[number] for number in sorted(live) if live[number] is not None]


def parse_schema(text):
    """(4): the text was accepted when the file was made, so nothing is checked here."""
    text, collections, tree = re.sub(r"#[^\n]*", "", text), [], 1
    part = re.compile(
        r"\bindex\s+(\w+)\s*\([^)]*\)"  # a composite index; or a field and its words
        r"|(\w+)\s+(" + "|".join(SIZES) + r")\b(?:\s*\(\s*(\d+)\s*\))?"
        r"((?:[ \t]+(?:optional\b|index\b(?!\s+\w+\s*\()(?:[ \t]+(?:hash|sparse)\b)*))*)")
    for word, name, body in re.findall(r"(collection|map)\s+(\w+)\s*\{([^}]*)\}", text):
        parts, fields, indexes, end, is_map = part.findall(body), {}, [], 0, word == "map"
        if not is_map and all(kind != "timestamp" for _, _, kind, _, _ in parts):
            parts.append(("", "timestamp", "timestamp", "", ""))
        for composite, field, kind, number, words in parts:
            if composite or "index" in words.split():
                indexes.append("index " + (composite or field))
            if field:
                offset = round_up(end, min(SIZES[kind], 8) or 1)
                end = offset + (SIZES[kind] or int(number))
                fields[field] = (kind, int(number or 0), offset, end, "optional" in words.split())
        at, end = next(one[2:4] for one in fields.values() if is_map or one[0] == "timestamp")
        collections.append(types.SimpleNamespace(
            name=name, number=len(collections), tree=tree, fields=fields, is_map=is_map,
            trees=["objects"] + ["id"] * ("id" in fields) + indexes,
            key=slice(at, end), flags=end if is_map else at))
        tree += len(collections[-1].trees)
    return collections


def show(field, record):
    """A value as `tactus export` writes it; a float with its own count of digits (4)."""
    kind, number, offset, end, is_optional = field
    value, unsigned = record[offset:end], int.from_bytes(record[offset:end], "little")
    whole = int.from_bytes(value, "little", signed=True)
    if is_optional and unsigned == 0:
        return ""
    if kind == "uuid":
        return re.sub("(.{8})(.{4})(.{4})(.{4})", r"\1-\2-\3-\4-", f"{unsigned:032x}")
    if kind in ("f32", "f64"):
        return f"{struct.unpack('<f' if kind == 'f32' else '<d', value)[0]:.17g}"
    if kind in ("text", "bytes"):
        return value.hex() if kind == "bytes" else value.split(b"\0")[0].decode()
    if kind == "bool":
        return "true" if unsigned else "false"
    if kind == "decimal":
        digits = str(abs(whole)).rjust(number + 1, "0")
        digits = (digits[:-number] + "." + digits[-number:]).rstrip("0").rstrip(".")
        return "-" * (whole < 0) + digits
    if kind == "time":
        seconds, nanoseconds = divmod(whole, 10**9)
        time = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
        return time.isoformat() + f".{nanoseconds:09d}".rstrip("0").rstrip(".") + "Z"
    return str(whole if kind[0] == "i" else unsigned)


def superblock(file):
    print(f"file_id {int.from_bytes(file.file_id, 'little'):032x}")
    for name, offset, load in (
        ("format", 32, u32), ("block_size", 36, u32), ("sequence", 40, u64), ("epoch", 80, u64),
        ("epoch_first_op", 88, u64), ("journal_bytes", 96, u64), ("size_max", 104, u64),
        ("batch_max", 112, u32), ("bar_beats", 116, u32), ("op_covered", 320, u64),
        ("op_captured", 328, u64), ("beat_capture", 336, u64), ("block_count", 608, u64)):
        print(name, load(file.superblock, offset))
    state = file.trailer(368, STATE)
    for collection in file.collections:
        print(f"timestamp_last {collection.name}", u64(state, 600 + 8 * collection.number))
    for name, offset in (("blocks_acquired", 424), ("blocks_released", 480)):
        print(name, bin(int.from_bytes(file.trailer(offset, FREE_SET), "little")).count("1"))


def journal(file):
    for data in file.journal():
        kind = {1: "transaction", 2: "checkpoint"}.get(data[148], "unknown")
        print(f"op={u64(data, 112)} beat={u64(data, 120)} {kind} events={u32(data, 144)} "
              f"offset={u64(data, 32)} size={len(data)} epoch={u64(data, 16)}")


def trees(file):
    tables = file.tables()
    for collection in file.collections:
        for tree, name in enumerate(collection.trees, collection.tree):
            print(f"tree {tree}: {collection.name} {name}")
            for level in range(7):
                if here := [t for t in tables if (u16(t, 100), t[102]) == (tree, level)]:
                    count = sum(1 for table in here for _ in file.records(table))
                    print(f"  level {level}: {len(here)} tables, {count} records")


def dump(file, name):
    found = {collection.name: collection for collection in file.collections}.get(name)
    check(found, f"there is no collection {name}")
    fields = {name: field for name, field in found.fields.items() if field[0] != "reserved"}
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([show(field, one) for field in fields.values()] for one in file.objects(found))


def main():
    words = sys.argv[1:] + ["superblock"] * (len(sys.argv) == 2)
    actions = {"superblock": superblock, "journal": journal, "trees": trees, "dump": dump}
    if len(words) < 2 or words[1] not in actions or len(words) != 2 + (words[1] == "dump"):
        sys.exit(__doc__)
    try:
        actions[words[1]](File(words[0]), *words[2:])
    except (OSError, ValueError) as error:
        sys.exit(f"decode: {error}")


if __name__ == "__main__":
    main()
