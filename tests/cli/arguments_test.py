"""Words and options: help, versions, what is not there, sizes."""

from support import *

COMMANDS = (
    "create plan import put set get remove query export digest verify inspect stats repair codegen "
    "bench"
).split()
LATER = "alter snapshot salvage report diff backup restore scrub top shell".split()


def test_help_of_every_command_has_an_example():
    for command in COMMANDS:
        result = succeed(command, "--help")
        expect("Example:" in result.out, result)
        expect(f"tactus {command}" in result.out, result)
        expect(result.err == "", result)
    expect("Commands:" in succeed("--help").out)


def test_help_names_the_formats():
    for command in ("plan", "digest", "inspect", "stats", "verify"):
        text = succeed(command, "--help").out
        expect(text.count("--format table|json") == 2, text)
        expect("csv" in fail(2, command, *["x"] * (command != "plan"), "--format", "csv").err)


def test_version_is_three_numbers():
    result = succeed("--version")
    expect(result.out.startswith("tactus ") and result.out.count(".") == 2, result)


def test_no_command_and_unknown_commands_are_wrong_use():
    fail(2)
    expect("no such command" in fail(2, "frobnicate").err)


def test_later_commands_say_so():
    for command in LATER:
        expect("comes with a later version" in fail(2, command, "FILE").err)
    expect("comes with a later version" in fail(2, "codegen", "python", "schema").err)
    snapshot = fail(2, "query", "shop.tactus", "sale", "--snapshot", "x")
    expect("later version" in snapshot.err, snapshot)


def test_unknown_options_are_wrong_use():
    result = fail(2, "query", "shop.tactus", "sale", "--fromat", "csv")
    expect("--fromat" in result.err and "--help" in result.err, result)
    fail(2, "query", "shop.tactus", "sale", "-n")
    fail(2, "query", "shop.tactus", "sale", "--form", "csv")  # no abbreviations: they would bind us


def test_options_need_values_and_flags_take_none():
    fail(2, "query", "shop.tactus", "sale", "--limit")
    fail(2, "create", "shop.tactus", "--schema", "s", "--overwrite=yes")


def test_words_are_counted():
    fail(2, "digest")
    fail(2, "digest", "one", "two")
    fail(2, "put", "shop.tactus", "sale")


def test_values_come_with_and_without_an_equals_sign():
    create()
    expect(succeed("query", "shop.tactus", "sale", "--format=count").out == "0\n")
    expect(succeed("query", "--format", "count", "shop.tactus", "--", "sale").out == "0\n")


def test_sizes_and_numbers_are_read_or_refused():
    pathlib.Path("schema").write_text(SCHEMA)
    plan = json.loads(
        succeed("plan", "--schema=schema", "--journal", "64M", "--cache=128M", "--format=json").out
    )
    expect(plan["journal_bytes"] == 64 << 20, plan)
    expect(plan["cache_bytes"] >= 128 << 20, plan)
    for bad in ("", "x", "16X", "16MM", "-1", "99999999999999999999", "17179869184G", "1.5M"):
        fail(2, "plan", "--schema", "schema", "--memory", bad)
    fail(2, "plan", "--schema", "schema", "--batch", "many")
    fail(2, "plan", "--schema", "schema", "--runs", "1,,2")
    fail(2, "plan", "--schema", "schema", "--runs", "1,1,1,1,1,1,1,1")
    fail(2, "plan", "--schema", "schema", "--file-id", "0")
    fail(2, "plan", "--schema", "schema", "--file-id", "xyz")
    fail(2, "plan")
    fail(2, "plan", "--schema", "schema", "--io", "floppy")
    fail(2, "plan", "--schema", "schema", "--worker", "perhaps")
    for bad in ("0", "9", "many", "-1"):
        fail(2, "plan", "--schema", "schema", "--compaction-depth", bad)


def test_the_plan_counts_what_compaction_has_under_way():
    pathlib.Path("schema").write_text(SCHEMA)
    words = "plan --schema schema --format json".split()
    plans = [
        json.loads(succeed(*words, *more).out)
        for more in ([], *(["--compaction-depth", str(depth)] for depth in (1, 5, 8)))
    ]
    default, least, same, most = (plan["memory_bytes"] for plan in plans)
    expect(least < default == same < most, plans)
    expect(most - default >= 32768 * 3 * (8 + 4), plans)


def test_zero_is_no_default():
    pathlib.Path("schema").write_text(SCHEMA)
    names = "batch bar tables-max size-max journal block-size growth memory".split()
    for name in names:
        for command in (["plan"], ["create", "shop.tactus"]):
            result = fail(2, *command, "--schema", "schema", f"--{name}", "0")
            expect(f"--{name} is 0: " in result.err, result)
    expect(not os.path.exists("shop.tactus"))


def test_memory_max_refuses_what_needs_more():
    create()
    result = fail(6, "query", "shop.tactus", "sale", "--memory-max", "1M")
    expect("memory" in result.err.lower(), result)
    succeed("query", "shop.tactus", "sale", "--memory-max", "8G")


if __name__ == "__main__":
    main()
