"""import: files it must not write over, several files, rows that are none and are set aside."""

from support import *


def untouched(paths, option, words, *more, given=b""):
    """Exit 2 with these words, and every file as it was; a file that was not there is not there."""
    before = {path: pathlib.Path(path).read_bytes() for path in paths}
    there = sorted(os.listdir("."))
    result = fail(2, "import", "shop.tactus", "sale", *more, *option, given=given)
    expect(words in result.err, result)
    for path, data in before.items():
        expect(pathlib.Path(path).read_bytes() == data, path)
    expect(sorted(os.listdir(".")) == there, result)


def test_no_target_is_a_file_that_is_read_or_written_besides():
    create()
    pathlib.Path("rows.csv").write_text(csv(1, 5))
    pathlib.Path("more.csv").write_text(csv(6, 9))
    pathlib.Path("old.json").write_text("old")
    os.link("shop.tactus", "linked")
    os.symlink("more.csv", "symbolic")
    files = ["shop.tactus", "rows.csv", "more.csv", "old.json"]
    read = ["rows.csv", "more.csv"]
    for name in ("--stats", "--reject"):
        untouched(files, [name, "./shop.tactus"], "is the data file", *read)
        untouched(files, [name, "linked"], "is the data file", *read)
        untouched(files, [name, "rows.csv"], "is one of the files to read", *read)
        untouched(files, [name, "symbolic"], "is one of the files to read", *read)
    both = "is the file of --stats"
    untouched(files, ["--stats", "old.json", "--reject", "./old.json"], both, *read)
    untouched(files, ["--stats", "new.json", "--reject", "./new.json"], both, *read)
    with open("rows.csv", "rb") as rows:
        words = ["import", "shop.tactus", "sale", "--stats", "rows.csv"]
        process = start(*words, stdin=rows, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=60)
    expect(process.returncode == 2 and b"is one of the files to read" in err, err)
    expect(pathlib.Path("rows.csv").read_text() == csv(1, 5))
    expect(count() == 0)
    nothing = ["--stats", "/dev/null", "--reject", "/dev/null"]
    succeed("import", "shop.tactus", "sale", *read, *nothing)
    verify()


def test_a_target_that_cannot_be_written_fails_before_a_row_is_there():
    create()
    for name in ("--stats", "--reject"):
        for path in ("no such directory/file", "."):
            fail(4, "import", "shop.tactus", "sale", name, path, given=csv(1, 5))
    expect(count() == 0)


def test_targets_are_as_they_were_when_nothing_is_begun():
    create()
    pathlib.Path("old.json").write_text("old")
    words = ["--stats", "old.json", "--reject", "new.csv"]
    fail(1, "import", "shop.tactus", "nothing", *words, given=csv(1, 5))
    fail(2, "import", "shop.tactus", "sale", *words, "--map", "nothing=id", given=csv(1, 5))
    expect(pathlib.Path("old.json").read_text() == "old" and not os.path.exists("new.csv"))
    pathlib.Path("old.json").write_text("old" * 1000)
    succeed("import", "shop.tactus", "sale", *words, given=csv(1, 5))
    expect(json.loads(pathlib.Path("old.json").read_text())["rows"] == 5)
    expect(pathlib.Path("new.csv").read_text() == "")


def test_all_files_can_be_read_before_the_first_row_is_there():
    create()
    pathlib.Path("rows.csv").write_text(csv(1, 100))
    result = fail(4, "import", "shop.tactus", "sale", "rows.csv", "no such.csv")
    expect("no such.csv" in result.err, result)
    fail(4, "import", "shop.tactus", "sale", "rows.csv", ".")
    expect(count() == 0)


def test_rows_are_set_aside_under_one_header():
    create()
    pathlib.Path("a.csv").write_text(csv(1, 3))
    pathlib.Path("b.csv").write_text(csv(4, 6).replace("price", "Price"))
    words = ["a.csv", "b.csv", "--reject", "reject.csv"]
    result = fail(2, "import", "shop.tactus", "sale", *words)
    expect("b.csv" in result.err and "a.csv" in result.err, result)
    expect(count() == 0 and not os.path.exists("reject.csv"))
    succeed("import", "shop.tactus", "sale", "a.csv", "b.csv")
    pathlib.Path("b.csv").write_text(csv(7, 9).replace("\n8,", "\nx,"))
    words += ["--on-exists", "skip"]
    expect("b.csv:3: column id" in fail(1, "import", "shop.tactus", "sale", *words).err)
    expect(pathlib.Path("reject.csv").read_text().count("\n") == 2)


def aside(data, places, rows, imported):
    """Bad rows are named by place and set aside as they stand; the others are imported."""
    pathlib.Path("rows.csv").write_bytes(data)
    before = count()
    result = fail(1, "import", "shop.tactus", "sale", "rows.csv", "--reject", "reject.csv")
    for place in places:
        expect(f"tactus: rows.csv:{place}" in result.err, result)
    expect(f", {len(rows)} set aside)" in result.err, result)
    wanted = (HEADER + "\n").encode() + b"".join(text + b"\n" for text in rows)
    expect(pathlib.Path("reject.csv").read_bytes() == wanted, result)
    expect(count() - before == imported, result)
    verify()


def test_rows_that_are_none_are_set_aside_as_they_stand():
    create()
    bad = [
        b"4,a\0b,1,2010-12-01,1.2,1,b",
        b'5,a"b,1,2010-12-01,1.2,1,"c, and\nd"',
        b'6,"a"b,1,2010-12-01,1.2,1,b',
        b'7,"a\n\0",1,2010-12-01,1.2,1,b',
        b'8,a,1,2010-12-01,1.2,1,"b"" ""x" ',
    ]
    text = csv(1, 3).encode()
    for at, one in enumerate(bad):
        text += one + b"\r\n" + row(11 + at).encode() + b"\n"
    places = [f"{line}: column " for line in (5, 7, 10, 13, 15)]
    aside(text, places, bad, 8)
    expect(count(where="id >= 11") == 5)


def test_rows_that_are_too_long_are_set_aside_as_they_stand():
    create()
    cell = b"4," + b"x" * 3_000_000 + b",1,2010-12-01,1.2,1,b"
    line = b"5," + b",".join([b"y" * 100] * 110_000)
    quoted = b'6,a,1,2010-12-01,1.2,1,b,"c\nd",' + b"z" * 2_000_000
    text = csv(1, 3).encode()
    for at, one in enumerate((cell, line, quoted)):
        text += one + b"\n" + row(11 + at).encode() + b"\n"
    places = ["5: column invoice", "7: column ", "10: column 9"]
    aside(text, places, [cell, line, quoted], 6)


def test_a_bad_last_row_and_rows_without_a_line_end_are_set_aside():
    create()
    aside((csv(1, 3) + '4,a"').encode(), ["5: column invoice"], [b'4,a"'], 3)
    aside((HEADER + "\r9,\0,\r").encode() + row(10).encode(), ["2: "], [b"9,\0,"], 1)


def test_an_open_quote_ends_the_import_even_with_reject():
    create()
    for tail in ('4,"a,1\n' + row(5) + "\n", '4,a"b,"c\n', '4,"' + "x\n" * 600_000):
        pathlib.Path("rows.csv").write_text(csv(1, 3) + tail)
        words = ["rows.csv", "--reject", "reject.csv"]
        result = fail(1, "import", "shop.tactus", "sale", *words)
        expect("rows.csv:5: column " in result.err and "quote" in result.err, result)
        expect("it ended there" in result.err, result)
    expect(count() == 0)
    text = succeed("import", "--help").out
    expect("quote left open always" in text, text)


def test_a_fault_in_a_header_ends_the_import_even_with_reject():
    create()
    for text in (b"id,in\0voice\n1,a\n", b'id,in"voice\n1,a\n'):
        result = fail(1, "import", "shop.tactus", "sale", "--reject", "reject.csv", given=text)
        expect("standard input:1: column 2" in result.err, result)


def test_bytes_of_a_row_that_come_one_by_one_are_the_same_row():
    create()
    text = csv(1, 3).encode().replace(b"\n", b"\r\n") + b'4,"a""b",x"\0,"\r\n",c\r\n'
    text += b'5,"a\r\n""",1,2010-12-01,1.2,1,b\r\n'
    process = start(
        "import", "shop.tactus", "sale", "--reject", "reject.csv",
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )
    for at in range(len(text)):
        process.stdin.write(text[at : at + 1])
    _, err = process.communicate(timeout=60)
    expect(process.returncode == 1 and b"imported 4 rows (0 skipped, 1 set aside)" in err, err)
    wanted = HEADER.encode() + b'\n4,"a""b",x"\0,"\r\n",c\n'
    expect(pathlib.Path("reject.csv").read_bytes() == wanted)
    [object_] = rows_json(succeed("get", "shop.tactus", "sale", "5", "--format", "json"))
    expect(object_["invoice"] == 'a\r\n"', object_)


def test_a_blank_line_is_an_empty_cell_where_the_header_has_one_column():
    create("n.tactus", "collection n {\n  id u64\n  words text(9) optional\n}\n")
    words = ["n.tactus", "n", "--map", "id=@row"]
    for text in ("\nwords\na\n\nb\n\n", "\r\nwords\r\na\r\n\r\nb\r\n\r\n", '\rwords\ra\r""\rb\r\r'):
        result = succeed("import", *words, "--on-exists", "replace", given=text)
        expect("imported 4 rows" in result.err, result)
        rows = rows_json(succeed("query", "n.tactus", "n", "--format", "json"))
        expect([(r["id"], r["words"]) for r in rows] == [(1, "a"), (2, None), (3, "b"), (4, None)])
    result = fail(1, "import", "n.tactus", "n", "--reject", "reject.csv", given="id\n5\n\n6\n")
    expect("standard input:3: column id" in result.err, result)
    expect(pathlib.Path("reject.csv").read_text() == 'id\n""\n')
    succeed("import", "n.tactus", "n", given="id,words\n\n8,a\n\n")
    expect(count("n.tactus", "n") == 7)


def test_bad_rows_name_their_column():
    create()
    pathlib.Path("rows.csv").write_text(csv(1, 2) + row(3) + ",more\n")
    result = fail(1, "import", "shop.tactus", "sale", "rows.csv")
    expect("rows.csv:4: column 8: the row has 8 cells" in result.err, result)
    result = fail(1, "import", "shop.tactus", "sale", given=csv(1, 2) + "3,a,1\n")
    expect("standard input:4: column at: the row has 3 cells" in result.err, result)
    succeed("import", "shop.tactus", "sale", given=csv(5, 5))
    text = csv(5, 5).replace("id,", "Number,")
    result = fail(1, "import", "shop.tactus", "sale", "--map", "id=Number", given=text)
    expect("standard input:2: column Number: 5 is there already; use" in result.err, result)
    words = ["--map", "id=@value:5"]
    result = fail(1, "import", "shop.tactus", "sale", *words, given=text)
    expect("standard input:2: field id: 5 is there already" in result.err, result)


def test_a_remedy_is_named_once():
    create()
    result = fail(1, "import", "shop.tactus", "sale", given=csv(1, 1).replace("\n1,", "\n 1,"))
    expect("has a blank around it: remove it\n" in result.err, result)
    result = fail(1, "put", "shop.tactus", "sale", "id= 1")
    expect(result.err.endswith("has a blank around it: remove it\n"), result)


def test_one_row_is_one_row():
    create()
    result = succeed("import", "shop.tactus", "sale", given=csv(1, 1))
    expect("imported 1 row (0 skipped)" in result.err, result)


if __name__ == "__main__":
    main()
