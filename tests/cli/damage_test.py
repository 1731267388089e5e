"""Files that are not ours, or not whole: a clear error, no crash, the file as it was."""

from support import *

READERS = (
    ["query", "sale"], ["get", "sale", "1"], ["export", "sale"], ["digest"],
    ["put", "sale", "id=1"], ["set", "sale", "1", "price=1"], ["remove", "sale", "1"],
    ["import", "sale"],
)


def refused(data, codes, name="bad.tactus"):
    """Every command that opens it exits with one of `codes` and changes nothing."""
    pathlib.Path(name).write_bytes(data)
    for words in READERS:
        result = run(words[0], name, *words[1:], given=csv(1, 2))
        expect(result.code in codes, result)
        expect(result.err.startswith("tactus: ") and "Sanitizer" not in result.err, result)
        expect(pathlib.Path(name).read_bytes() == data, result)
    for words in (["verify"], ["inspect"], ["repair"]):
        before = pathlib.Path(name).read_bytes()
        result = run(words[0], name, *words[1:])
        expect(0 <= result.code <= 6 and "Sanitizer" not in result.err, result)
        expect(words[0] == "repair" or pathlib.Path(name).read_bytes() == before, result)


def whole(rows=300):
    create(options=["--size-max", "256M"])
    succeed("import", "shop.tactus", "sale", given=csv(1, rows))
    return pathlib.Path("shop.tactus").read_bytes()


def test_what_is_not_a_data_file_is_refused():
    other = b"SQLite format 3\0" + bytes(90_000)
    for data in (b"", b"hello\n", bytes(100_000), os.urandom(300_000), other):
        refused(data, (2, 3, 4))
        expect(run("verify", "bad.tactus").code in (2, 3, 4))


def test_what_is_not_a_file_is_refused():
    os.mkdir("directory")
    os.mkfifo("fifo")
    for name in ("directory", "no such file", "directory/no such"):
        for words in READERS[:2]:
            result = run(words[0], name, *words[1:])
            expect(result.code in (1, 4) and result.err.startswith(f"tactus: {name}: "), result)
    result = run("query", "fifo", "sale")
    expect(result.code in (2, 4), result)
    expect(not os.path.exists("no such file"))


def test_a_file_cut_anywhere_is_refused_or_whole():
    data = whole()
    for length in (1, 4095, 4096, 16384, 65535, 65536, len(data) // 3, len(data) // 2):
        pathlib.Path("cut.tactus").write_bytes(data[:length])
        result = run("digest", "cut.tactus")
        expect(result.code in (2, 3, 4), (length, result))
        expect(result.err.startswith("tactus: "), result)
        expect(pathlib.Path("cut.tactus").read_bytes() == data[:length], length)
        expect(run("verify", "cut.tactus").code in (2, 3, 4), length)
        expect(run("inspect", "cut.tactus").code in (0, 2, 3, 4), length)
    refused(data[:65536], (2, 3, 4))


def test_verify_finds_flipped_bits_in_blocks():
    data = whole(3000)
    grid = 65536 + (1 << 20)  # superblocks and journal
    found = 0
    for step in range(40):
        at = grid + (len(data) - grid) * step // 40 + 777
        if not any(data[at - 40 : at + 40]):
            continue  # a place where nothing was written
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        pathlib.Path("flipped.tactus").write_bytes(flipped)
        result = run("verify", "flipped.tactus")
        expect(result.code in (0, 3) and "Sanitizer" not in result.err, result)
        if result.code == 3:
            found += 1
            expect("tactus: corrupt" in result.err and "damaged" in result.out, result)
        other = run("export", "flipped.tactus", "sale")
        expect(other.code in (0, 3), other)
        expect(pathlib.Path("flipped.tactus").read_bytes() == flipped)
    expect(found > 0)


def test_a_bad_superblock_copy_is_healed_and_all_of_them_are_not():
    data = whole()
    for copy in range(4):
        at = copy * 16384 + 300
        bad = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        pathlib.Path("bad.tactus").write_bytes(bad)
        expect(count("bad.tactus") == 300)
        expect(pathlib.Path("bad.tactus").read_bytes() == bad)  # a reader heals nothing
        succeed("repair", "bad.tactus")
        verify("bad.tactus")
        expect(count("bad.tactus") == 300)
    bad = bytearray(data)
    for copy in range(4):
        bad[copy * 16384 + 300] ^= 0xFF
    refused(bytes(bad), (2, 3, 4))
    expect(run("verify", "bad.tactus").code in (2, 3))


def test_repair_cuts_nothing_without_being_told_twice():
    data = whole()
    fail(2, "repair", "shop.tactus", "--truncate-journal")
    fail(2, "repair", "shop.tactus", "--yes")
    expect(pathlib.Path("shop.tactus").read_bytes() == data)
    succeed("repair", "shop.tactus")
    expect(count() == 300)


def test_a_damaged_journal_is_refused_and_can_be_cut():
    create()
    for first in range(1, 301, 50):
        succeed("import", "shop.tactus", "sale", "--no-checkpoint", given=csv(first, first + 49))
    data = bytearray(pathlib.Path("shop.tactus").read_bytes())
    # The last sector of the first entry that holds this row: in the middle of the history.
    at = bytes(data).find("France".encode(), 65536, 65536 + (1 << 20))
    expect(at > 0)
    data[at] ^= 0xFF
    pathlib.Path("shop.tactus").write_bytes(data)
    result = fail(3, "digest", "shop.tactus")
    expect("zone=journal" in result.err and "repair" in result.err, result)
    expect(pathlib.Path("shop.tactus").read_bytes() == bytes(data))
    expect("zone=journal" in fail(3, "verify", "shop.tactus").err)
    fail(2, "repair", "shop.tactus", "--truncate-journal")
    expect(pathlib.Path("shop.tactus").read_bytes() == bytes(data))
    succeed("repair", "shop.tactus", "--truncate-journal", "--yes")
    left = count()
    expect(left < 300 and left % 50 == 0, left)
    verify()
    succeed("import", "shop.tactus", "sale", "--on-exists", "skip", given=csv(1, 300))
    expect(count() == 300)
    verify()


def test_inspect_shows_every_part_as_text_and_json():
    whole()
    parts = "superblock journal manifest trees tables blocks memory".split()
    for what in ([], *([part] for part in parts)):
        text = succeed("inspect", "shop.tactus", *what)
        expect(text.out.strip(), text)
        shown = succeed("inspect", "shop.tactus", *what, "--format", "json")
        expect(isinstance(json.loads(shown.out), (dict, list)), shown)
        expect(shown.out.count("\n") == 1 and shown.out.endswith("\n"), shown)
    fail(2, "inspect", "shop.tactus", "nothing")


def test_stats_show_what_the_history_came_to():
    whole()
    text = succeed("stats", "shop.tactus").out
    lines = text.splitlines()
    head = next(line for line in lines if "amplification" in line and "level" in line)
    rows = lines[lines.index(head) + 1:][:7]
    expect([int(row.split()[0]) for row in rows] == list(range(7)), text)
    expect({len(row) for row in rows} == {len(head)}, text)
    shown = succeed("stats", "shop.tactus", "--format", "json")
    expect(shown.out.count("\n") == 1 and shown.out.endswith("\n"), shown)
    stats = json.loads(shown.out)
    levels, counters = stats["written_by_level"], stats["counters"]
    for key, total in (("tables", "tables_written"), ("records", "records_written")):
        expect(sum(level[key] for level in levels) == counters[total] > 0, stats)
    expect(sum(row["tables"] for row in stats["trees"]) == stats["grid"]["tables"], stats)
    expect(all(0 < row["fill_percent"] <= 100 for row in stats["trees"]), stats)
    written = counters["blocks_written"] * stats["grid"]["block_size"]
    ratio = written / counters["bytes_committed"]
    expect(abs(stats["write_amplification"]["tables"] - ratio) <= 0.005, stats)
    grid = stats["grid"]
    expect(grid["blocks_live"] + grid["blocks_released"] == grid["blocks_acquired"], stats)
    expect(grid["blocks_acquired"] + grid["blocks_free"] == grid["blocks"], stats)
    fail(2, "stats")
    fail(2, "stats", "shop.tactus", "sale")
    fail(4, "stats", "missing.tactus")
    pathlib.Path("shop.tactus").write_bytes(b"no such thing" * 10000)
    fail(3, "stats", "shop.tactus")


def test_stats_show_slices_and_what_the_manifest_log_compacts_of_itself():
    create(options=["--batch", "16", "--runs", "4,1"])
    succeed("import", "shop.tactus", "sale", given=csv(1, 2000))
    text = succeed("stats", "shop.tactus").out
    stats = json.loads(succeed("stats", "shop.tactus", "--format", "json").out)
    levels, counters = stats["written_by_level"], stats["counters"]
    for key, total in (("slices", "slices"), ("trims", "tables_trimmed")):
        expect(sum(level[key] for level in levels) == counters[total] > 0, stats)
        expect(levels[1][key] == counters[total], stats)
        expect(f"\n  {total}: {counters[total]}\n" in text, text)
    log = stats["manifest_log"]
    expect(0 < log["blocks"] == stats["grid"]["manifest_blocks"] <= log["blocks_max"], stats)
    expect(log["blocks_compacted"] > 0 and log["events_copied"] > 0, stats)
    expect("\nmanifest_log:\n" + "".join(f"  {key}: {log[key]}\n" for key in log) in text, text)


def test_verify_prints_an_object_a_line():
    data = whole()
    [*_, last] = rows_json(succeed("verify", "shop.tactus", "--format", "json"))
    expect(last["severity"] == "note" and "sound, 0 faults, 0 warnings" in last["line"], last)
    pathlib.Path("shop.tactus").write_bytes(data[:65536] + bytes(len(data) - 65536))
    result = run("verify", "shop.tactus", "--format", "json")
    lines = rows_json(result)
    faults = [line for line in lines if line["severity"] == "fault"]
    expect(result.code == 3 and faults and "corrupt" in faults[0]["line"], result)
    expect(all(list(line) == ["severity", "line"] for line in lines), result)
    expect(result.err == "" and "damaged" in lines[-1]["line"], result)
    result = fail(2, "verify", "shop.tactus", "--format=csv")
    expect("'csv' is not table, text or json" in result.err, result)


def test_size_max_is_a_limit_and_keeps_what_was_committed():
    create(options=["--size-max", "24M"])
    pathlib.Path("rows.csv").write_text(csv(1, 150_000))
    result = run("import", "shop.tactus", "sale", "rows.csv", "--sync", "none")
    if result.code == 0:
        return  # it all fitted
    expect(result.code == 6, result)
    imported = int(result.err.split("imported ")[1].split()[0])
    expect(imported > 0 and count() == imported, (imported, result))
    verify()


if __name__ == "__main__":
    main()
