"""bench: tiny runs of each workload, as text and as JSON. No time is expected of anything."""

import signal

from support import *

TINY = ["--block-size", "4K", "--batch", "64", "--bar", "4", "--journal", "1M", "--size-max", "1G"]


def bench(*arguments, **rest):
    """The one JSON object that a run prints."""
    result = succeed("bench", *arguments, *TINY, "--format", "json", **rest)
    objects = rows_json(result)
    expect(len(objects) == 1, result)
    return objects[0]


def test_ledger_inserts_all_and_reads_all_back():
    figures = bench("ledger", "--objects", "1000")
    expect(figures["workload"] == "ledger" and figures["engine"] == "tactus", figures)
    expect(figures["objects"] == 1000 and figures["transaction"] == 64, figures)
    expect(figures["transactions"] == 16 and figures["sync"] == "none", figures)
    expect(figures["checked"] == 3000, figures)
    expect(figures["live_bytes"] == 256000, figures)
    expect(figures["max_to_p50"] >= 1 and figures["objects_per_second"] > 0, figures)
    expect(figures["allocated_bytes"] >= 256000 and figures["journal_bytes"] == 1 << 20, figures)
    expect(figures["peak_rss_bytes"] > 0 and figures["memory_bytes"] > 0, figures)
    expect(figures["checkpoints"] >= 1 and figures["full_transaction_ms_p50"] is None, figures)


def test_small_is_followed_by_full_transactions():
    figures = bench("small", "--objects", "40", "--transaction", "7", "--sync", "commit")
    expect(figures["transactions"] == 6 and figures["sync"] == "commit", figures)
    expect(figures["live_bytes"] == (40 + 64 * 64) * 256, figures)
    expect(figures["full_transaction_ms_p50"] > 0 and figures["max_to_full_p50"] > 0, figures)
    expect(bench("small", "--objects", "3")["transaction"] == 1)


def test_overwriting_shows_the_file_after_each_volume():
    figures = bench("ledger", "--objects", "500", "--overwrite", "3", "--checkpoint-every", "5")
    volumes = figures["volumes"]
    expect([volume["volume"] for volume in volumes] == [0, 1, 2, 3], figures)
    expect(all(volume["allocated_bytes"] > 0 for volume in volumes), figures)
    expect(all(volume["file_bytes"] > 0 for volume in volumes), figures)
    expect(figures["checkpoints"] >= 4 + 24 // 5, figures)


def test_a_table_has_the_figures_in_words():
    result = succeed("bench", "ledger", "--objects", "300", "--overwrite", "1", *TINY)
    expect(result.out.startswith("ledger: 300 objects of 128 bytes, 64 a transaction"), result)
    for words in ("objects/s", "max / p50", "peak RSS", "  / live", "after each volume"):
        expect(words in result.out, result)
    expect(result.err == "", result)


def test_the_file_stays_where_it_was_asked_for_and_is_sound():
    succeed("bench", "ledger", "--objects", "300", "--file", "kept.tactus", *TINY)
    expect(count("kept.tactus", "entry") == 300)
    verify("kept.tactus")
    fail(1, "bench", "ledger", "--objects", "300", "--file", "kept.tactus", *TINY)
    expect(count("kept.tactus", "entry") == 300)


def test_the_same_seed_makes_the_same_file():
    digests = []
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        words = ["--file", name, "--seed", seed, "--file-id", "1", "--worker", "off"]
        succeed("bench", "ledger", "--objects", "300", *words, *TINY)
        digests.append(succeed("digest", name).out)
    expect(digests[0] == digests[1] and digests[0] != digests[2], digests)


def test_nothing_is_left_among_the_temporary_files():
    os.mkdir("temporary")
    bench("ledger", "--objects", "300", environment={"TMPDIR": "temporary"})
    expect(os.listdir("temporary") == [])
    fail(4, "bench", "ledger", environment={"TMPDIR": "absent"})


def test_a_signal_ends_it_and_clears_up():
    os.mkdir("temporary")
    process = start(
        "bench", "ledger", "--objects", "100000000", *TINY, environment={"TMPDIR": "temporary"}
    )
    while not list(pathlib.Path("temporary").glob("*/bench.tactus")):
        expect(process.poll() is None)
    process.send_signal(signal.SIGINT)
    expect(process.wait(timeout=600) == 130)
    expect(os.listdir("temporary") == [])


def test_a_budget_bounds_the_memory():
    figures = bench("ledger", "--objects", "300", "--budget", "64M")
    expect(figures["memory_bytes"] == 64 << 20, figures)
    expect("budget" in fail(6, "bench", "ledger", "--budget", "1M").err)


def test_reads_are_timed_in_both_readings():
    words = ["--reads", "both", "--seconds", "1", "--questions", "30"]
    figures = bench("ledger", "--objects", "3000", *words)
    kinds = {"get", "get_64", "absent", "newest", "two_conditions", "scan"}
    for reading in ("cached", "large"):
        reads = figures["reads"][reading]
        expect(reads["cache_bytes"] >= 64 * 4096, reads)
        for kind in kinds - {"scan"}:
            expect(reads[kind]["questions"] == 30 and reads[kind]["per_second"] > 0, reads)
            expect(reads[kind]["us_p99"] >= reads[kind]["us_p50"] > 0, reads)
        expect(reads["scan"]["objects_each"] == 3000 and reads["scan"]["us_p50"] is None, reads)
        expect(reads["get_64"]["objects_each"] == 64 and reads["newest"]["objects_each"] > 0, reads)
    cached, large = figures["reads"]["cached"], figures["reads"]["large"]
    expect(all(cached[kind]["blocks_read_each"] == 0 for kind in kinds), figures)
    expect(all(large[kind]["blocks_cached_each"] > 0 for kind in kinds), figures)
    expect(len(figures["answers"]) == 16, figures)
    again = bench("ledger", "--objects", "3000", "--reads", "cached", *words[2:])
    expect(again["answers"] == figures["answers"] and "large" not in again["reads"], again)
    none = bench("ledger", "--objects", "300")
    expect(none["reads"] is None and none["answers"] is None, none)


def test_reads_have_a_table_of_their_own():
    words = ["--reads", "both", "--seconds", "1", "--questions", "10", *TINY]
    result = succeed("bench", "ledger", "--objects", "1000", *words)
    for label in ("newest 100 of an account", "two conditions", "full scan", "from cache"):
        expect(result.out.count(label) == 2, result)
    for label in ("all of it cached", "four times as much", "answers to the first"):
        expect(label in result.out, result)


def test_intersect_finds_what_was_put_in():
    figures = bench("intersect", "--objects", "20000", "--seed", "5")
    expect(figures["workload"] == "intersect" and figures["objects"] == 20000, figures)
    questions = figures["questions"]
    expect([question["where"] for question in questions[:4]] == [
        "a = common and b = rare", "b = rare and a = common",
        "a = rare and b = common", "b = common and a = rare",
    ], figures)
    for question in questions:
        expect(question["answer"] <= min(question["have_a"], question["have_b"]), question)
        expect(question["cold"]["blocks_read"] >= question["count"]["blocks_read"] > 0, question)
        expect("access" in question["cold"]["plan"], question)
        expect("access" in question["again"]["plan"], question)
    expect(1900 < questions[0]["have_a"] <= 2000 and questions[0]["have_b"] <= 2, questions)
    table = succeed("bench", "intersect", "--objects", "9", *TINY).out
    expect("a = rarest and b = common" in table and "blocks read" in table, table)
    fail(2, "bench", "intersect", "--engine", "rocksdb")


def test_wrong_use():
    fail(2, "bench")
    expect("ledger, small or intersect" in fail(2, "bench", "large").err)
    expect("64" in fail(6, "bench", "ledger", "--transaction", "65", *TINY).err)
    for name in (
        "objects", "transaction", "overwrite", "checkpoint-every", "seconds", "questions"
    ):
        expect("1 or more" in fail(2, "bench", "ledger", f"--{name}", "0").err)
    fail(2, "bench", "ledger", "--overwrite", "101")
    for parts in ("1", "65"):
        expect("2 to 64" in fail(2, "bench", "ledger", "--peer-buffers", parts).err)
    fail(2, "bench", "ledger", "--sync", "never")
    fail(2, "bench", "ledger", "--format", "csv")
    fail(2, "bench", "ledger", "--reads", "hot")
    succeed("bench", "ledger", "--objects", "9", "--engine", "all", *TINY)
    for engine in ("rocksdb", "tactus,rocksdb", "other", "tactus,"):
        expect("bench-compare" in fail(2, "bench", "ledger", "--engine", engine).err)


if __name__ == "__main__":
    main()
