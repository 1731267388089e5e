"""export, import it elsewhere: the same logical digest. The same commands: the same digests."""

from support import *

EVERYTHING = """\
collection thing {
  id    u128
  a     u8
  b     u16    index
  c     u32    optional index
  d     u64
  e     i8
  f     i16    index
  g     i32
  h     i64    optional
  i     f32
  j     f64    index
  k     bool   index
  l     time
  m     decimal(18)
  n     text(12) index
  o     bytes(5)
  p     uuid   optional
  spare reserved(8)
  index nk (n)
}
"""


def things(last):
    lines = ["id,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"]
    for n in range(1, last + 1):
        uuid = f"00000000-0000-4000-8000-{n:012x}" if n % 3 else ""
        lines.append(
            f"{n * 2**70},{n % 256},{n * 7 % 65536},{n if n % 4 else ''},{2**64 - n},{-(n % 128)},"
            f"{n % 30000 - 15000},{-n},{'' if n % 2 else n - 50},{n / 8},{n / 3!r},"
            f"{'true' if n % 2 else 'FALSE'},19{70 + n % 30}-02-03 04:05:06.{n:06d},"
            f"{n % 9}.{n:018d},\"t\"\"{n},\",{n:010x},{uuid}"
        )
    return "\n".join(lines) + "\n"


def test_what_is_exported_can_be_imported():
    create()
    succeed("import", "shop.tactus", "sale", given=csv(1, 500))
    succeed("remove", "shop.tactus", "sale", *range(100, 140))
    succeed("set", "shop.tactus", "sale", "7", "country=Malta", "customer=")
    exported = succeed("export", "shop.tactus", "sale")
    expect(exported.out.splitlines()[0].startswith("id,timestamp,"), exported)
    create("copy.tactus")
    succeed("import", "copy.tactus", "sale", given=exported.raw_out)
    expect(logical("copy.tactus") == logical("shop.tactus"))
    expect(count("copy.tactus") == 460)
    expect(succeed("export", "copy.tactus", "sale").raw_out == exported.raw_out)
    verify("copy.tactus")
    again = succeed("import", "copy.tactus", "sale", "--on-exists", "skip", given=exported.raw_out)
    expect("imported 0 rows (460 skipped)" in again.err, again)
    succeed("import", "copy.tactus", "sale", "--on-exists", "replace", given=exported.raw_out)
    expect(logical("copy.tactus") == logical("shop.tactus"))


def test_every_type_survives_the_trip():
    create("a.tactus", EVERYTHING.replace("  index nk (n)\n", "  index nb (b, f)\n"))
    succeed("import", "a.tactus", "thing", given=things(200))
    exported = succeed("export", "a.tactus", "thing")
    expect("spare" not in exported.out.splitlines()[0], exported)
    create("b.tactus", EVERYTHING.replace("  index nk (n)\n", "  index nb (b, f)\n"))
    succeed("import", "b.tactus", "thing", given=exported.raw_out)
    expect(logical("a.tactus", "thing") == logical("b.tactus", "thing"))
    expect(succeed("export", "b.tactus", "thing").raw_out == exported.raw_out)
    rows = rows_json(succeed("export", "b.tactus", "thing", "--format", "json"))
    expect(len(rows) == 200 and rows[2]["p"] is None and rows[3]["c"] is None)
    expect(rows[0]["id"] == str(2**70) and rows[0]["k"] is True and rows[1]["k"] is False)
    expect(rows[0]["n"] == 't"1,' and rows[0]["o"] == "0000000001", rows[0])
    verify("b.tactus")


def test_the_same_commands_give_the_same_digests():
    given = csv(1, 700)
    digests = set()
    for number, environment in enumerate(({}, {}, {"TACTUS_IO": "posix"})):
        path = f"{number}.tactus"
        create(path, options=["--file-id", "7"])
        succeed("import", path, "sale", given=given, environment=environment)
        succeed("remove", path, "sale", "1", "2", environment=environment)
        digests.add(succeed("digest", path, environment=environment).out)
    expect(len(digests) == 1, digests)
    path = "3.tactus"
    create(path, options=["--file-id", "7"])
    succeed("import", path, "sale", "--io", "posix", "--worker", "off", given=given)
    succeed("remove", path, "sale", "1", "2", "--io", "posix")
    expect(succeed("digest", path, "--io=posix").out in digests)


def test_digest_names_collections_and_the_file():
    create("two.tactus", SCHEMA + "collection note {\n  words text(9)\n}\n")
    empty = succeed("digest", "two.tactus")
    names = [line.split()[0] for line in empty.out.splitlines()]
    expect(names == ["sale", "note", "logical", "physical"], empty)
    expect("objects=0 logical=" in empty.out, empty)
    succeed("put", "two.tactus", "note", "words=hello")
    changed = succeed("digest", "two.tactus")
    expect(changed.out.splitlines()[0] == empty.out.splitlines()[0], changed)
    expect(changed.out.splitlines()[1] != empty.out.splitlines()[1], changed)
    parsed = json.loads(succeed("digest", "two.tactus", "--format", "json").out)
    note = parsed["collections"][1]
    expect(note["name"] == "note" and note["objects"] == 1, parsed)
    for line in changed.out.splitlines():
        digest = line.split()[-1].split("=")[-1]
        expect(len(digest) == 32 and int(digest, 16) >= 0, line)


def test_reading_changes_no_byte():
    create()
    succeed("import", "shop.tactus", "sale", "--no-checkpoint", given=csv(1, 300))
    before = pathlib.Path("shop.tactus").read_bytes()
    for words in (
        ["query", "sale"], ["get", "sale", "1"], ["export", "sale"], ["digest"], ["verify"],
        ["inspect"],
    ):
        succeed(words[0], "shop.tactus", *words[1:])
        expect(pathlib.Path("shop.tactus").read_bytes() == before, words)
    os.chmod("shop.tactus", 0o444)
    succeed("query", "shop.tactus", "sale")
    verify()


def test_no_checkpoint_leaves_the_same_contents():
    create()
    succeed("import", "shop.tactus", "sale", "--no-checkpoint", "--sync", "none", given=csv(1, 300))
    create("other.tactus")
    succeed("import", "other.tactus", "sale", given=csv(1, 300))
    expect(logical("shop.tactus") == logical("other.tactus"))


if __name__ == "__main__":
    main()
