"""Maps: put, get, remove, import, export, query, digest, codegen."""

import re

from support import *

MAPS = """\
collection sale { id u64  price decimal(2) index }
map session { key u64   user u64   state bytes(4)   note text(20) optional }
map seen { key uuid  count u32 }
map wide { key u128  x i16 }
"""


def made():
    create("m.tactus", MAPS)


def rows(collection, *words):
    result = succeed("query", "m.tactus", collection, *words, "--format", "csv")
    return result.out.splitlines()[1:]


def sessions(first, last, user=7):
    lines = "".join(f"{key},{user + key % 3},{key % 65536:08x},\n" for key in range(first, last))
    return "key,user,state,note\n" + lines


def test_put_get_and_remove_one_by_one():
    made()
    words = ["m.tactus", "session"]
    succeed("put", *words, "key=5", "user=1", "state=00ff00ff", "note=hello")
    succeed("put", *words, "key=3", "user=2", "state=01020304")
    [first] = rows_json(succeed("get", *words, "5", "--format", "json"))
    expect(first == {"key": 5, "user": 1, "state": "00ff00ff", "note": "hello"}, first)
    succeed("put", *words, "key=5", "user=9", "state=00000000")
    [second] = rows_json(succeed("get", *words, "5", "--format", "json"))
    expect(second == {"key": 5, "user": 9, "state": "00000000", "note": None}, second)
    expect(rows("session") == ["3,2,01020304,", "5,9,00000000,"])
    result = fail(1, "get", *words, "4")
    expect("session 4: there is none" in result.err, result)

    gone = succeed("remove", *words, "5", "4")  # nobody looks whether they were there
    expect(gone.out == "" and gone.err == "", gone)
    expect(rows("session") == ["3,2,01020304,"])
    verify("m.tactus")


def test_put_may_look_first():
    made()
    words = ["m.tactus", "session", "key=5", "state=00000000"]
    succeed("put", *words, "user=1", "--on-exists", "error")
    result = fail(1, "put", *words, "user=2", "--on-exists", "error")
    expect("has this key already" in result.err, result)
    expect(rows("session") == ["5,1,00000000,"])
    succeed("put", *words, "user=3", "--on-exists", "replace")
    expect(rows("session") == ["5,3,00000000,"])


def test_what_maps_do_not_have_is_refused_in_words():
    made()
    succeed("put", "m.tactus", "session", "key=5", "user=1", "state=00000000")
    result = fail(2, "set", "m.tactus", "session", "5", "user=2")
    expect("is a map" in result.err and "tactus put" in result.err, result)
    result = fail(2, "get", "m.tactus", "session", "1", "--by", "timestamp")
    expect("is a map" in result.err, result)
    result = fail(2, "import", "m.tactus", "session", "--clock", "wall", given=sessions(1, 2))
    expect("is a map" in result.err, result)
    fail(2, "put", "m.tactus", "session", "key=5", "user=1")  # state is missing
    fail(1, "put", "m.tactus", "session", "key=x", "user=1", "state=00000000")
    fail(1, "query", "m.tactus", "session", "--order", "user")
    expect(rows("session") == ["5,1,00000000,"])


def test_keys_of_all_types_and_their_order():
    made()
    keys = [2**127 + 5, 3, 2**64, 2**64 - 1, 1]
    for key in keys:
        succeed("put", "m.tactus", "wide", f"key={key}", f"x={-(key % 7)}")
    expect([int(row.split(",")[0]) for row in rows("wide")] == sorted(keys))
    expect([int(row.split(",")[0]) for row in rows("wide", "--order=-key")] == sorted(keys)[::-1])
    texts = ["00000000-0000-0000-0000-000000000001", "f0000000-0000-0000-0000-000000000000"]
    for text in reversed(texts):
        succeed("put", "m.tactus", "seen", "key=" + text, "count=1")
    expect([row.split(",")[0] for row in rows("seen")] == texts)
    [found] = rows_json(succeed("get", "m.tactus", "seen", texts[1], "--format", "json"))
    expect(found == {"key": texts[1], "count": 1}, found)


def test_import_replaces_unless_told_otherwise():
    made()
    text = "key,user,state,note\n1,1,00000000,a\n2,2,00000000,b\n1,3,00000000,c\n"
    done = succeed("import", "m.tactus", "session", given=text)
    expect("imported 3 rows (0 skipped)" in done.err, done)
    expect(rows("session") == ["1,3,00000000,c", "2,2,00000000,b"])

    more = "key,user,state,note\n2,9,00000000,x\n3,9,00000000,y\n3,8,00000000,z\n"
    done = succeed("import", "m.tactus", "session", "--on-exists", "skip", given=more)
    expect("imported 1 row (2 skipped)" in done.err, done)
    expect(rows("session") == ["1,3,00000000,c", "2,2,00000000,b", "3,9,00000000,y"])

    result = fail(1, "import", "m.tactus", "session", "--on-exists", "error", given=more)
    expect("standard input:2: column key: 2 is there already" in result.err, result)
    result = fail(1, "import", "m.tactus", "session", "--on-exists", "error", "--reject", "bad",
                  given="key,user,state,note\n4,1,00000000,\n4,2,00000000,\n")
    expect(pathlib.Path("bad").read_text() == "key,user,state,note\n4,2,00000000,\n", result)
    expect(rows("session", "key = 4") == ["4,1,00000000,"])
    verify("m.tactus")


def test_export_imports_into_the_same_digest():
    made()
    succeed("import", "m.tactus", "session", given=sessions(1, 2000))
    succeed("import", "m.tactus", "session", given=sessions(1500, 2500, user=3))
    succeed("remove", "m.tactus", "session", *range(100, 200))
    exported = succeed("export", "m.tactus", "session").out
    expect(len(exported.splitlines()) == 1 + 2499 - 100, len(exported))
    create("n.tactus", MAPS)
    succeed("import", "n.tactus", "session", given=exported)
    expect(logical("m.tactus", "session") == logical("n.tactus", "session"))
    expect(logical("m.tactus", "seen") == logical("n.tactus", "seen"))
    succeed("put", "n.tactus", "session", "key=1", "user=0", "state=00000000")
    expect(logical("m.tactus", "session") != logical("n.tactus", "session"))
    [number] = [line for line in succeed("digest", "m.tactus").out.splitlines()
                if line.startswith("session ")]
    expect("2399" in number, number)
    verify("m.tactus")


def test_queries_in_key_order_with_conditions_and_pages():
    made()
    succeed("import", "m.tactus", "session", given=sessions(1, 1000))

    def keys(*words):
        return [int(row.split(",")[0]) for row in rows("session", *words)]

    expect(keys() == list(range(1, 1000)))
    expect(keys("--order=-key", "--limit", "3") == [999, 998, 997])
    expect(keys("key between 10 and 20 and user = 7") == [12, 15, 18])
    expect(keys("key in (5, 900, 5000) or key = 7") == [5, 7, 900])
    expect(keys("state = x'0000000a'") == [10])
    expect(keys("note = ''", "--order", "key") == list(range(1, 1000)))
    expect(count("m.tactus", "session", "user = 8") == len(keys("user = 8")) == 333)
    total = succeed("query", "m.tactus", "session", "--sum", "user").out
    expect(int(total) == sum(7 + key % 3 for key in range(1, 1000)), total)

    for words in ([], ["", "--order=-key"], ["user = 8 and key > 100"]):
        whole, found, after = keys(*words), [], []
        while True:
            result = succeed("query", "m.tactus", "session", *words, "--limit", 70, *after)
            found += [int(row.split(",")[0]) for row in result.out.splitlines()[1:]]
            more = re.search(r"^more: (--after) (\S+)$", result.err, re.M)
            if not more:
                break
            after = list(more.groups())
        expect(found == whole, (words, found))
    plan = succeed("query", "m.tactus", "session", "user = 8", "--explain")
    expect("scan of map" in plan.out and "key" in plan.out, plan)


def test_one_file_holds_both_and_tells_their_sizes():
    made()
    succeed("put", "m.tactus", "sale", "id=1", "price=2.5")
    succeed("put", "m.tactus", "session", "key=1", "user=1", "state=00000000")
    expect(rows("sale") == ["1,2.5,1"])
    expect("session" in succeed("inspect", "m.tactus").out)
    expect("memory" in succeed("plan", "--schema", "schema", *SMALL).out)
    verify("m.tactus")


def test_codegen_prints_a_maps_struct():
    pathlib.Path("schema").write_text(MAPS)
    header = succeed("codegen", "c", "schema").out
    struct = header[header.index("struct session {"):header.index("};", header.index("session {"))]
    expect("uint64_t key; /* the key */" in struct and "timestamp" not in struct, struct)
    expect("#define SESSION_SHAPE UINT64_C(0x" in header, header)
    expect("struct tactus_u128 key; /* the key */" in header, header)
    pathlib.Path("m.h").write_text(header)
    pathlib.Path("m.c").write_text(
        '#include "m.h"\nint main(void) { struct session s = {0}; return (int)s.key; }\n'
    )
    include = os.path.join(os.environ.get("TACTUS_SOURCE", "."), "include")
    subprocess.run(["cc", "-std=c99", "-Wall", "-Werror", "-I" + include, "m.c", "-o", "m"],
                   check=True)
    subprocess.run(["./m"], check=True)


if __name__ == "__main__":
    main()
