"""import: where fields come from, what happens to ids that are there, acknowledgements, signals."""

import signal
import time

from support import *


def test_columns_are_matched_letter_case_aside_and_mapped():
    create()
    text = csv(1, 3).replace("country", "COUNTRY").replace("invoice", "InvoiceNo")
    succeed("import", "shop.tactus", "sale", "--map", "invoice=InvoiceNo", given=text)
    expect(count(where="invoice = '536365'") == 3)


def test_unknown_columns_are_named_once_and_left_out():
    create()
    text = csv(1, 2).replace("\n", ",more\n")
    for name in ("a.csv", "b.csv"):
        pathlib.Path(name).write_text(text.replace("\n1,", "\n11,").replace("\n2,", "\n12,"))
        text = csv(1, 2).replace("\n", ",more\n")
    pathlib.Path("b.csv").write_text(text)
    result = succeed("import", "shop.tactus", "sale", "a.csv", "b.csv")
    expect(result.err.count("warning") == 1, result)
    expect("'more'" in result.err, result)
    expect(count() == 4)


def test_row_numbers_go_on_over_all_files():
    create()
    for name in ("a.csv", "b.csv"):
        lines = [line.split(",", 1)[1] for line in csv(1, 70).splitlines()]
        pathlib.Path(name).write_text("\n".join(lines))
    succeed("import", "shop.tactus", "sale", "a.csv", "b.csv", "--map", "id=@row")
    expect(count() == 140 and count(where="id between 71 and 140") == 70)


def test_constants_and_time_forms():
    create()
    text = "id;invoice;When;price\n1;a;24/12/2010 18:30;1.5\n"
    words = ["--delimiter", ";", "--map", "at=When:%d/%m/%Y %H:%M"]
    constants = ["--map", "country=@value:Ruritania", "--map", "quantity=@value:7"]
    succeed("import", "shop.tactus", "sale", *words, *constants, given=text)
    [object_] = rows_json(succeed("get", "shop.tactus", "sale", "1", "--format", "json"))
    expect(object_["at"] == "2010-12-24T18:30:00Z", object_)
    expect(object_["country"] == "Ruritania" and object_["quantity"] == 7, object_)
    expect(object_["customer"] is None, object_)
    bad = text.replace("\n1;", "\n2;").replace("24/12", "32/12")
    result = fail(1, "import", "shop.tactus", "sale", *words, *constants, given=bad)
    expect("standard input:2: column When" in result.err and "32/12" in result.err, result)


def test_maps_that_are_wrong_use():
    create()
    for words in ("nothing=id", "id", "id=", "price=When:%d", "quantity=@value:x"):
        code = 1 if "@value" in words else 2
        fail(code, "import", "shop.tactus", "sale", "--map", words, given=csv(1, 2))
    fail(2, "import", "shop.tactus", "sale", "--map", "id=@row", "--map", "id=x", given=csv(1, 2))
    fail(1, "import", "shop.tactus", "sale", "--map", "id=Nowhere", given=csv(1, 2))
    fail(2, "import", "shop.tactus", "sale", "--delimiter", "ab", given=csv(1, 2))
    expect(count() == 0)


def test_two_columns_of_one_name_are_refused():
    create()
    text = "".join(line + ",x\n" for line in csv(1, 2).splitlines())
    text = text.replace("country,x", "country,country")
    result = fail(1, "import", "shop.tactus", "sale", given=text)
    expect("2 columns are named 'country'" in result.err, result)


def test_skip_and_replace():
    create()
    succeed("import", "shop.tactus", "sale", given=csv(1, 100))
    result = succeed("import", "shop.tactus", "sale", "--on-exists", "skip", given=csv(51, 150))
    expect("imported 50 rows (50 skipped)" in result.err, result)
    expect(count() == 150)
    changed = csv(1, 150).replace("Germany", "Prussia")
    germans = count(where="country = 'Germany'")
    result = succeed("import", "shop.tactus", "sale", "--on-exists", "replace", given=changed)
    expect("imported 150 rows" in result.err, result)
    expect(count() == 150 and count(where="country = 'Prussia'") == germans)
    expect(count(where="country = 'Germany'") == 0)
    verify()


def test_rejected_rows_are_set_aside_and_can_be_mended():
    create()
    succeed("import", "shop.tactus", "sale", given=csv(7, 7))
    text = csv(1, 200).replace("\n100,", "\nbad,").replace(row(120), row(120) + ",more")
    pathlib.Path("rows.csv").write_text(text)
    result = fail(1, "import", "shop.tactus", "sale", "rows.csv", "--reject", "reject.csv")
    expect("imported 197 rows (0 skipped, 3 set aside)" in result.err, result)
    for place in ("rows.csv:101: column id", "rows.csv:121: ", "rows.csv:8: "):
        expect(place in result.err, result)
    expect(count() == 198)
    aside = pathlib.Path("reject.csv").read_text().splitlines()
    expect(aside[0] == HEADER and len(aside) == 4, aside)
    expect(row(7) in aside, aside)
    mended = [line for line in aside if line != row(7)]
    mended = [line.replace("bad,", "100,").replace(",more", "") for line in mended]
    succeed("import", "shop.tactus", "sale", given="\n".join(mended))
    expect(count() == 200)
    fail(2, "import", "shop.tactus", "sale", "rows.csv", "--reject", "rows.csv")
    expect(pathlib.Path("rows.csv").read_text() == text)
    verify()


def test_acknowledgements_count_up_to_all_rows():
    create()
    for sync, first in (("commit", 1), ("interval", 1001), ("none", 2001)):
        result = succeed(
            "import", "shop.tactus", "sale", "--sync", sync, "--ack", given=csv(first, first + 999)
        )
        acks = [int(line.removeprefix("ack ")) for line in result.out.splitlines()]
        expect(acks == sorted(set(acks)) and acks[-1] == 1000, result)
        expect(sync != "commit" or len(acks) == 16, result)
    expect(count() == 3000)


def test_figures_go_into_a_file():
    create()
    succeed("import", "shop.tactus", "sale", "--stats", "stats.json", given=csv(1, 1000))
    stats = json.loads(pathlib.Path("stats.json").read_text())
    expect(stats["rows"] == 1000 and stats["commits"] == 16, stats)
    for name in (
        "seconds rows_per_second commit_ms_p50 commit_ms_p99 commit_ms_max bytes_journal "
        "bytes_grid memory_bytes peak_rss_kib"
    ).split():
        expect(stats[name] >= 0, name)
    expect(stats["commit_ms_p50"] <= stats["commit_ms_p99"] <= stats["commit_ms_max"], stats)
    expect(stats["bytes_journal"] > 0 and stats["peak_rss_kib"] > 0, stats)
    expect(stats["has_worker"] in (0, 1) and stats["beats_worked"] > 0, stats)
    expect(0 < stats["beat_bytes_p50"] <= stats["beat_bytes_p99"] <= stats["beat_bytes_max"], stats)
    expect(stats["beat_bytes_max"] <= stats["beat_quota_max"] + stats["beat_beyond_max"], stats)
    expect(0 < stats["checkpoint_ns_max"] <= stats["checkpoint_ns_total"], stats)
    expect(0 <= stats["checkpoints_waited"] <= stats["checkpoints_durable"] > 0, stats)
    expect(stats["blocks_live"] > 0 and stats["blocks_written"] > 0, stats)
    succeed(
        "import", "shop.tactus", "sale", "--worker", "off", "--stats", "off.json",
        given=csv(1001, 1000),
    )
    expect(json.loads(pathlib.Path("off.json").read_text())["has_worker"] == 0)


def timestamps():
    exported = succeed("export", "shop.tactus", "sale", "--format", "json")
    return [object_["timestamp"] for object_ in rows_json(exported)]


def test_timestamps_count_up_by_default():
    create()
    succeed("import", "shop.tactus", "sale", given=csv(1, 3))
    expect(timestamps() == [1, 2, 3], timestamps())


def test_timestamps_come_from_a_column_and_must_ascend():
    create()
    text = "".join(line + f",{100 + 10 * at}\n" for at, line in enumerate(csv(1, 3).splitlines()))
    text = text.replace("country,100", "country,timestamp")
    succeed("import", "shop.tactus", "sale", given=text)
    expect(timestamps() == [110, 120, 130], timestamps())
    again = text.replace("\n1,", "\n4,").replace("\n2,", "\n5,").replace("\n3,", "\n6,")
    fail(1, "import", "shop.tactus", "sale", given=again)
    fail(1, "import", "shop.tactus", "sale", "--clock", "wall", given=again)
    expect(count() == 3)


def test_timestamps_follow_a_clock():
    create()
    text = HEADER + "\n1,a,,1970-01-01,1,1,b\n2,a,,1970-01-02,1,1,b\n3,a,,1970-01-02,1,1,b\n"
    succeed("import", "shop.tactus", "sale", "--clock", "at", given=text)
    day = 86400 * 10**9
    stamps = [int(stamp) for stamp in timestamps()]
    expect(stamps == [1, day, day + 1], stamps)
    before = time.time_ns()
    succeed("import", "shop.tactus", "sale", "--clock", "wall", given=csv(4, 4))
    expect(before <= int(timestamps()[-1]) <= time.time_ns(), timestamps())
    fail(1, "import", "shop.tactus", "sale", "--clock", "nowhere", given=csv(5, 5))


def test_standard_input_and_a_dash_are_files_too():
    create()
    pathlib.Path("rows.csv").write_text(csv(1, 5))
    succeed("import", "shop.tactus", "sale", "rows.csv", "-", given=csv(6, 9))
    expect(count() == 9)


def test_a_signal_drops_the_running_transaction_whole():
    create()
    for number, first in ((signal.SIGINT, 1), (signal.SIGTERM, 1001)):
        process = start(
            "import", "shop.tactus", "sale", "--ack",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        process.stdin.write(csv(first, first + 99).encode())
        process.stdin.flush()
        expect(process.stdout.readline() == b"ack 64\n")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        expect(process.returncode == 128 + number, err)
        expect(b"imported 64 rows" in err and b"interrupted" in err, err)
        expect(count(where=f"id between {first} and {first + 999}") == 64)
    verify()


def test_a_file_that_is_in_use_is_busy():
    create()
    process = start(
        "import", "shop.tactus", "sale", "--ack",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    process.stdin.write(csv(1, 64).encode())
    process.stdin.flush()
    expect(process.stdout.readline() == b"ack 64\n")
    fail(5, "query", "shop.tactus", "sale")
    fail(5, "put", "shop.tactus", "sale", "id=1")
    fail(5, "create", "shop.tactus", "--schema", "schema", *SMALL, "--overwrite")
    process.communicate(csv(65, 70).split("\n", 1)[1].encode(), timeout=60)
    expect(process.returncode == 0)
    expect(count() == 70)


if __name__ == "__main__":
    main()
