"""create and plan: schemas that are wrong, files that are there, names of all kinds."""

from support import *


def refused(text, line, words=()):
    """Status 2 and line:column, and no file."""
    pathlib.Path("bad schema").write_text(text)
    for command in (["create", "bad.tactus"], ["plan"]):
        result = fail(2, *command, "--schema", "bad schema", *SMALL)
        place = f"bad schema:{line}:"
        expect(place in result.err, result)
        column = result.err.split(place)[1].split(":")[0]
        expect(column.isdigit() and int(column) > 0, result)
        for word in words:
            expect(word in result.err, result)
    expect(not os.path.exists("bad.tactus"))


def test_an_unknown_type_is_named_by_line_and_column():
    refused("collection a {\n  id u64\n  x  u33\n}\n", 3, ["u33"])


def test_two_ids_are_refused():
    refused("collection a {\n  id u64\n  id u64\n}\n", 3)


def test_a_duplicate_name_is_refused():
    refused("collection a {\n  id u64\n  x u32\n  x u64\n}\n", 4)
    refused("collection a {\n  id u64\n}\ncollection a {\n  id u64\n}\n", 4)


def test_an_index_over_16_bytes_is_refused():
    refused(
        "collection a {\n  id u64\n  x text(12)\n  y time\n  index xy (x, y)\n}\n", 5
    )


def test_what_a_map_cannot_have_is_refused_in_words():
    refused("collection a {\n  id u64\n}\nmap m {\n  user u64\n}\n", 5, ["begins with its key"])
    refused("map m {\n  key u64\n  v u32 index\n}\n", 3, ["a map has no indexes"])
    refused("map m {\n  key u64\n  at timestamp\n}\n", 3, ["a map has no timestamps"])


def test_broken_texts_are_refused():
    for text in ("", "collection", "collection a {", "collection a {\n  id u64\n", "\x01\n", "}"):
        pathlib.Path("schema").write_text(text)
        fail(2, "create", "bad.tactus", "--schema", "schema")
    pathlib.Path("schema").write_bytes(b"collection a {\0}")
    fail(2, "create", "bad.tactus", "--schema", "schema")
    fail(4, "create", "bad.tactus", "--schema", "no such schema")
    expect(not os.path.exists("bad.tactus"))


def test_a_file_that_is_there_is_kept_unless_overwritten():
    create()
    succeed("import", "shop.tactus", "sale", given=csv(1, 5))
    before = pathlib.Path("shop.tactus").read_bytes()
    result = fail(1, "create", "shop.tactus", "--schema", "schema", *SMALL)
    expect("shop.tactus" in result.err, result)
    expect(pathlib.Path("shop.tactus").read_bytes() == before)
    succeed("create", "shop.tactus", "--schema", "schema", *SMALL, "--overwrite")
    expect(count() == 0)


def test_the_schema_is_not_overwritten():
    pathlib.Path("schema").write_text(SCHEMA)
    os.link("schema", "linked")
    for path in ("schema", "./schema", "linked"):
        for words in ([], ["--overwrite"]):
            result = fail(2, "create", path, "--schema", "schema", *SMALL, *words)
            expect("is the schema's file" in result.err, result)
    with open("schema", "rb") as schema:
        process = start(
            "create", "schema", "--schema", "-", "--overwrite", stdin=schema, stderr=subprocess.PIPE
        )
        process.communicate(timeout=60)
    expect(process.returncode == 2 and pathlib.Path("schema").read_text() == SCHEMA)


def test_create_says_which_limit_binds():
    result = create(options=["--tables-max", "200"])
    expect("objects of every collection fit, then tables-max" in result.err, result)
    result = create("other.tactus", options=["--size-max", "64M", "--tables-max", "100000"])
    expect("objects of every collection fit, then size-max" in result.err, result)


def test_create_says_what_it_chose():
    result = create()
    expect("memory" in result.err and "batch 64" in result.err and "bar 4" in result.err, result)
    chosen = json.loads(create("other.tactus", options=["--format", "json"]).out)
    expect(chosen["batch_max"] == 64 and chosen["bar_beats"] == 4, chosen)


def test_keep_is_an_option_of_the_file():
    create(options=["--keep", "3"])
    succeed("verify", "shop.tactus")
    expect("keep: 3" in succeed("inspect", "shop.tactus", "superblock").out)
    for keep in ("9", "100"):
        result = fail(2, "create", "o.tactus", "--schema", "schema", *SMALL, "--keep", keep)
        expect(f"keep is {keep}: it must be 1 to 8" in result.err, result)
    least = fail(6, "plan", "--schema", "schema", *SMALL, "--keep", "3", "--size-max", "64K")
    expect("(20 W)" in least.err, least)


def test_plan_prints_text_and_json():
    pathlib.Path("schema").write_text(SCHEMA)
    text = succeed("plan", "--schema", "schema")
    expect("memory of an open" in text.out and len(text.out.splitlines()) > 15, text)
    plan = json.loads(succeed("plan", "--schema", "schema", "--format", "json").out)
    parts = (
        "memory_tables sort_scratch transaction cache free_set manifest query other".split()
    )
    expect(plan["memory_bytes"] == sum(plan[part + "_bytes"] for part in parts), plan)
    expect(plan["batch_max"] >= 64 and plan["objects_max"] > 0, plan)
    expect(plan["open_seconds_max"] > 0 and plan["write_amplification_max"] > 1, plan)


def test_memory_too_small_for_a_schema_names_what_it_needs():
    pathlib.Path("schema").write_text(SCHEMA)
    result = fail(6, "create", "small.tactus", "--schema", "schema", "--memory", "4K")
    expect("memory" in result.err.lower(), result)
    expect(not os.path.exists("small.tactus"))


def test_a_small_file_is_small():
    schema = "collection sale {\n  id u64\n  key text(16)\n  value text(40) index\n}\n"
    create(schema=schema, options=["--size-max", "64M"])
    expect(os.path.getsize("shop.tactus") < 2 << 20)
    result = succeed("query", "shop.tactus", "sale")
    expect(os.path.getsize("shop.tactus") < 2 << 20, result)


def test_one_file_id_gives_one_file():
    create("a.tactus", options=["--file-id", "00112233445566778899aabbccddeeff"])
    create("b.tactus", options=["--file-id", "00112233-4455-6677-8899-aabbccddeeff"])
    create("c.tactus")
    a, b, c = (pathlib.Path(name + ".tactus").read_bytes() for name in "abc")
    expect(a == b)
    expect(a != c)


def test_names_with_spaces_and_of_other_alphabets_work():
    names = ("with spaces and 'quotes'.tactus", "Größe—日本.tactus", "-dash.tactus", "a;b$c.tactus")
    for name in names:
        path = name if not name.startswith("-") else "./" + name
        create(path)
        source = name.lstrip("-") + ".csv"
        pathlib.Path(source).write_text(csv(1, 3))
        succeed("import", path, "sale", source)
        expect(count(path) == 3)
        verify(path)
    create("./--help")
    expect(succeed("query", "--format", "count", "--", "--help", "sale").out == "0\n")


if __name__ == "__main__":
    main()
