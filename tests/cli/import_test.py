"""import of CSV that is as it should be, and of CSV that is not: what is said, what is kept."""

from support import *


def bad(text, line, column, words, kept=0, name="bad.csv"):
    """Exit 1; file, line, column and reason are named; `kept` rows are there and counted."""
    data = text.encode() if isinstance(text, str) else text
    pathlib.Path(name).write_bytes(data)
    before = count()
    result = fail(1, "import", "shop.tactus", "sale", name)
    expect(f"tactus: {name}:{line}: " in result.err, result)
    if column is not None:
        expect(f"column {column}" in result.err, result)
    for word in words:
        expect(word in result.err, result)
    expect(f"imported {kept} rows" in result.err or "column" in result.err and kept == 0, result)
    expect(count() == before + kept, result)
    verify()


def test_rows_are_imported_and_counted():
    create()
    pathlib.Path("rows.csv").write_text(csv(1, 1000))
    result = succeed("import", "shop.tactus", "sale", "rows.csv")
    expect("imported 1000 rows (0 skipped) in " in result.err and "rows/s" in result.err, result)
    expect(result.out == "", result)
    expect("\r" not in result.err and "\033" not in result.err, result)  # no bar in a pipe
    expect(count() == 1000)
    expect(count(where="country = 'Österreich'") == 250)
    expect(count(where="customer = 0") == 0 or count(where="customer = 0") == 200)
    verify()


def test_cells_come_through_as_they_are():
    create()
    text = HEADER + '\r\n1,"5,3""6", 17850.0 ,2010-12-01T08:26,2.550,-3,"  a b "\r\n'
    pathlib.Path("rows.csv").write_text(text, newline="")
    result = run("import", "shop.tactus", "sale", "rows.csv")
    if result.code != 0:  # a number with blanks around it may be refused; a text keeps them
        text = text.replace(" 17850.0 ", "17850.0")
        pathlib.Path("rows.csv").write_text(text, newline="")
        succeed("import", "shop.tactus", "sale", "rows.csv")
    [object_] = rows_json(succeed("get", "shop.tactus", "sale", "1", "--format", "json"))
    expect(object_["invoice"] == '5,3"6', object_)
    expect(object_["country"] == "  a b ", object_)
    expect(object_["customer"] == 17850 and object_["price"] == 2.55, object_)
    expect(object_["at"] == "2010-12-01T08:26:00Z" and object_["quantity"] == -3, object_)


def test_a_byte_order_mark_blank_lines_and_no_last_newline_are_fine():
    create()
    text = b"\xef\xbb\xbf" + HEADER.encode() + b"\n\n" + row(1).encode() + b"\n\n" + row(2).encode()
    pathlib.Path("rows.csv").write_bytes(text)
    succeed("import", "shop.tactus", "sale", "rows.csv")
    expect(count() == 2)


def test_a_header_alone_is_no_rows():
    create()
    result = succeed("import", "shop.tactus", "sale", given=HEADER + "\n")
    expect("imported 0 rows" in result.err, result)


def test_an_empty_file_has_no_header():
    create()
    bad("", 1, None, ["header"])


def test_a_missing_column_is_named():
    create()
    bad(csv(1, 3).replace("price", "cost"), 1, None, ["price"])


def test_a_wrong_type_is_named():
    create()
    bad(csv(1, 3).replace("\n2,", "\nx2,"), 3, "id", ["x2"])
    bad(HEADER + "\n1,a,1,2010-12-01,1.2345,1,b\n", 2, "price", ["1.2345"])
    bad(HEADER + "\n1,a,1,2010-13-01,1.2,1,b\n", 2, "at", ["2010-13-01"])
    bad(HEADER + "\n1,a,-1,2010-12-01,1.2,1,b\n", 2, "customer", ["-1"])
    bad(HEADER + "\n1,a,1,2010-12-01,1.2,2147483648,b\n", 2, "quantity", ["2147483648"])
    bad(HEADER + "\n1,a,1,2010-12-01,1.2,1.5,b\n", 2, "quantity", ["1.5"])
    bad(HEADER + "\n1,a,1,2010-12-01,,1,b\n", 2, "price", [])


def test_text_that_is_too_long_is_never_cut():
    create()
    bad(HEADER + "\n1,123456789,1,2010-12-01,1.2,1,b\n", 2, "invoice", [])


def test_text_that_is_not_utf8_is_refused():
    create()
    for text in (b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xc0\xaf", b"ab\xe2\x82"):
        bad(HEADER.encode() + b"\n1,a,1,2010-12-01,1.2,1," + text + b"\n", 2, "country", [])


def test_an_open_quote_is_named_where_it_stands():
    create()
    bad(csv(1, 3) + '4,"a,1,2010-12-01,1.2,1,b\n5\n6\n', 5, "invoice", ["quote"])


def test_a_quote_in_the_middle_is_refused():
    create()
    bad(HEADER + '\n1,a"b,1,2010-12-01,1.2,1,b\n', 2, "invoice", ["quote"])
    bad(HEADER + '\n1,"a"b,1,2010-12-01,1.2,1,b\n', 2, "invoice", ["quote"])


def test_a_nul_byte_is_refused():
    create()
    bad(csv(1, 3).encode() + b"4,a\0b,1,2010-12-01,1.2,1,b\n", 5, "invoice", ["NUL"])


def test_a_line_of_ten_megabytes_is_refused():
    create()
    bad(csv(1, 3) + "4," + "x" * 10_000_000 + ",1,2010-12-01,1.2,1,b\n", 5, "invoice", ["1 MiB"])
    many = ",".join(["y" * 100] * 110_000)
    bad(csv(1, 3) + "4," + many + "\n", 5, None, ["10 MB"])


def test_too_few_and_too_many_cells_are_refused():
    create()
    bad(csv(1, 2) + "3,a,1\n", 4, "at", ["3 cells"])
    bad(csv(1, 2) + row(3) + ",more\n", 4, "8", ["8 cells"])


def test_an_id_that_is_there_ends_the_import():
    create()
    succeed("import", "shop.tactus", "sale", given=csv(5, 5))
    bad(csv(1, 9), 6, "id", ["5", "--on-exists"])
    bad(csv(11, 12) + row(11) + "\n", 4, None, ["11"])  # twice in one transaction


def test_transactions_before_the_bad_row_are_kept():
    create()
    # 64 rows are a transaction: two are committed, and nothing of the third.
    text = csv(1, 150).replace("\n140,", "\nbad,")
    bad(text, 141, "id", ["imported 128 rows"], kept=128)
    expect(count(where="id <= 128") == 128)


def test_transactions_have_as_many_rows_as_asked():
    create()
    text = csv(1, 50).replace("\n45,", "\nbad,")
    result = fail(1, "import", "shop.tactus", "sale", "--transaction", "10", given=text)
    expect("standard input:46: column id" in result.err, result)
    expect("imported 40 rows" in result.err, result)
    expect(count() == 40)
    fail(2, "import", "shop.tactus", "sale", "--transaction", "65", given=csv(51, 52))
    fail(2, "import", "shop.tactus", "sale", "--transaction", "0", given=csv(51, 52))


def test_lines_are_counted_through_quoted_newlines():
    create(schema="collection note {\n  id u64\n  words text(40)\n}\n")
    text = 'id,words\n1,"a\nb\nc"\n2,"d\r\ne"\nx,f\n'
    pathlib.Path("bad.csv").write_text(text, newline="")
    result = fail(1, "import", "shop.tactus", "note", "bad.csv")
    expect("bad.csv:7: column id" in result.err, result)


def test_what_cannot_be_read_is_named():
    create()
    expect("no such.csv" in fail(4, "import", "shop.tactus", "sale", "no such.csv").err)
    expect("directory" in fail(4, "import", "shop.tactus", "sale", ".").err.lower())
    fail(1, "import", "shop.tactus", "nothing", given=csv(1, 2))


if __name__ == "__main__":
    main()
