"""query and get: conditions, orders, formats, sums."""

from support import *


def filled():
    create()
    succeed("import", "shop.tactus", "sale", given=csv(1, 300))


def ids(*arguments):
    words = [*arguments, "--select", "id", "--format", "csv"]
    result = succeed("query", "shop.tactus", "sale", *words)
    head, *rows = result.out.splitlines()
    expect(head == "id", result)
    return [int(text) for text in rows]


def test_csv_json_and_table_show_the_same():
    filled()
    where = "id between 4 and 6"
    text = succeed("query", "shop.tactus", "sale", where, "--format", "csv")
    lines = text.out.splitlines()
    expect(lines[0] == "id,timestamp,invoice,customer,at,price,quantity,country", text)
    expect(lines[2] == "5,5,536365,,2010-12-06T08:26:00Z,1.85,2,France", text)
    rows = rows_json(succeed("query", "shop.tactus", "sale", where, "--format", "json"))
    expect([r["id"] for r in rows] == [4, 5, 6], rows)
    expect(rows[1]["customer"] is None and rows[1]["price"] == 1.85, rows)
    expect(list(rows[0]) == lines[0].split(","), rows)
    table = succeed("query", "shop.tactus", "sale", where, "--format", "table")
    expect(len(table.out.splitlines()) == 4 and "\033" not in table.out, table)
    expect(table.out.splitlines()[0].split() == lines[0].split(","), table)
    expect(len({line.index("2010") for line in table.out.splitlines()[1:]}) == 1, table)
    piped = succeed("query", "shop.tactus", "sale", where)
    expect(piped.out == text.out, piped)


def test_count_is_the_number_alone():
    filled()
    expect(succeed("query", "shop.tactus", "sale", "--format", "count").out == "300\n")
    none = succeed("query", "shop.tactus", "sale", "id = 9999", "--format", "count")
    expect(none.out == "0\n", none)
    expect(ids("id = 9999") == [])  # no rows is exit 0


def test_conditions_of_all_kinds():
    filled()
    everything = [dict(zip(HEADER.split(","), row(number).split(","))) for number in range(1, 301)]
    cases = {
        "country = 'Germany'": lambda r: r["country"] == "Germany",
        "country != 'Germany'": lambda r: r["country"] != "Germany",
        "not (country = 'Germany' or country = 'France')":
            lambda r: r["country"] not in ("Germany", "France"),
        "country in ('Germany', 'Österreich') and quantity > 0":
            lambda r: r["country"] in ("Germany", "Österreich") and int(r["quantity"]) > 0,
        "country starts 'Ger'": lambda r: r["country"].startswith("Ger"),
        "customer = 0": lambda r: r["customer"] == "",
        "customer = 12003 and at >= '2010-12-10'":
            lambda r: r["customer"] == "12003" and r["at"] >= "2010-12-10",
        "price < 3 and price >= 1.11": lambda r: 1.11 <= float(r["price"]) < 3,
        "quantity = -3": lambda r: r["quantity"] == "-3",
        "id between 10 and 20": lambda r: 10 <= int(r["id"]) <= 20,
        "timestamp > 290": lambda r: int(r["id"]) > 290,
        "invoice = '536370'": lambda r: r["invoice"] == "536370",
    }
    for where, holds in cases.items():
        wanted = [int(r["id"]) for r in everything if holds(r)]
        expect(ids(where) == wanted, (where, ids(where), wanted))


def test_orders_go_up_and_down():
    filled()
    expect(ids("--order", "-timestamp")[:3] == [300, 299, 298])
    expect(ids("--order", "id", "--limit", "2") == [1, 2])
    expect(ids("country = 'France'", "--order=-id")[:2] == [297, 293])
    stamps = succeed(
        "query", "shop.tactus", "sale", "customer = 12003", "--order", "-at", "--select", "at"
    ).out.splitlines()[1:]
    expect(len(stamps) > 5 and stamps == sorted(stamps, reverse=True), stamps)
    fail(1, "query", "shop.tactus", "sale", "--order", "price")
    expect(run("query", "shop.tactus", "sale", "--order", "nothing").code != 0)


def test_a_limit_that_cut_says_so():
    filled()
    cut = succeed("query", "shop.tactus", "sale", "--limit", "299", "--format", "count")
    expect(cut.out == "299\n" and "more rows: raise --limit" in cut.err, cut)
    whole = succeed("query", "shop.tactus", "sale", "--limit", "300", "--format", "count")
    expect(whole.out == "300\n" and whole.err == "", whole)
    none = succeed("query", "shop.tactus", "sale", "--limit", "0", "--format", "count")
    expect(none.out == "0\n" and "more rows" in none.err, none)


def test_some_fields_in_the_order_asked():
    filled()
    result = succeed("query", "shop.tactus", "sale", "id = 5", "--select", "country,id")
    expect(result.out == "country,id\nFrance,5\n", result)
    alone = succeed("query", "shop.tactus", "sale", "id = 5", "--select", "customer")
    expect(alone.out == 'customer\n""\n', alone)
    fail(2, "query", "shop.tactus", "sale", "--select", "id,nothing")


def test_sums_are_exact():
    filled()
    everything = [row(number).split(",") for number in range(1, 301)]
    quantity = sum(int(r[5]) for r in everything)
    cents = sum(round(float(r[4]) * 100) for r in everything)
    expect(int(succeed("query", "shop.tactus", "sale", "--sum", "quantity").out) == quantity)
    price = succeed("query", "shop.tactus", "sale", "--sum", "price").out.strip()
    expect(round(float(price) * 100) == cents, price)
    [summed] = rows_json(
        succeed("query", "shop.tactus", "sale", "--sum", "quantity", "--format", "json")
    )
    expect(summed == {"rows": 300, "sum": quantity}, summed)
    negative = succeed("query", "shop.tactus", "sale", "quantity < 0", "--sum", "quantity").out
    expect(int(negative) == sum(int(r[5]) for r in everything if int(r[5]) < 0), negative)
    fail(2, "query", "shop.tactus", "sale", "--sum", "country")
    fail(2, "query", "shop.tactus", "sale", "--sum", "nothing")


def test_sums_beyond_64_bits():
    fields = "id u64\n  a u64\n  b i64\n  c u128\n  d decimal(3)\n  e f64\n"
    create("n.tactus", "collection n {\n  " + fields + "}\n")
    big, low = 2**64 - 1, -(2**63)
    lines = "".join(f"{i},{big},{low},{2**126},-9223372036854775.807,{i}.25\n" for i in range(1, 4))
    succeed("import", "n.tactus", "n", given="id,a,b,c,d,e\n" + lines)

    def total(field):
        return succeed("query", "n.tactus", "n", "--sum", field).out.strip()

    expect(total("a") == str(3 * big), total("a"))
    expect(total("b") == str(3 * low), total("b"))
    expect(total("c") == str(3 * 2**126), total("c"))
    expect(total("d") == "-27670116110564327.421", total("d"))
    expect(float(total("e")) == 6.75, total("e"))
    [summed] = rows_json(succeed("query", "n.tactus", "n", "--sum", "a", "--format", "json"))
    expect(summed["sum"] == str(3 * big), summed)
    [first] = rows_json(succeed("query", "n.tactus", "n", "id = 1", "--format", "json"))
    expect(first["a"] == str(big) and first["b"] == str(low) and first["e"] == 1.25, first)
    succeed("import", "n.tactus", "n", given=f"id,a,b,c,d,e\n4,1,1,{2**128 - 1},1,1\n")
    fail(6, "query", "n.tactus", "n", "--sum", "c")


def test_expressions_that_are_wrong_say_where():
    filled()
    wrong = ("country =", "nothing = 1", "country = 'x", "id = 'x", "(id = 1", "id = 1 id = 2")
    for where in wrong:
        result = fail(2, "query", "shop.tactus", "sale", where)
        place = result.err.split("tactus: where:")[1].split(": ")[0]
        line, column = place.split(":")
        expect(line == "1" and int(column) > 0, result)


def test_parameters_are_not_for_the_command_line():
    filled()
    result = fail(2, "query", "shop.tactus", "sale", "id = ?1 and quantity > ?2")
    expect("parameters are for the C API; write the value" in result.err, result)
    expect(count(where="country = 'it''s ?1'") == 0)
    expect(count(where="") == 300)


def test_get_prints_what_is_and_names_what_is_not():
    filled()
    words = ["3", "9999", "1", "--format", "csv", "--select", "id"]
    result = fail(1, "get", "shop.tactus", "sale", *words)
    expect(result.out == "id\n3\n1\n", result)
    expect("sale 9999: there is none" in result.err, result)
    by = succeed("get", "shop.tactus", "sale", "3", "--by", "timestamp", "--select", "id")
    expect(by.out == "id\n3\n", by)
    result = fail(1, "get", "shop.tactus", "sale", "x")
    expect("'x'" in result.err, result)
    many = succeed("get", "shop.tactus", "sale", *range(300, 0, -1), "--select", "id")
    expect([int(i) for i in many.out.split()[1:]] == list(range(300, 0, -1)), many)


def test_a_full_disk_under_standard_output_is_an_error():
    filled()
    if not os.path.exists("/dev/full"):
        return
    with open("/dev/full", "wb") as full:
        process = start("export", "shop.tactus", "sale", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=60)
    expect(process.returncode == 4 and b"standard output" in err, err)


def test_control_characters_stay_out_of_tables():
    create("n.tactus", "collection n {\n  id u64\n  words text(20)\n}\n")
    succeed("put", "n.tactus", "n", "id=1", "words=a\033[31mb\nc")
    expect("\033" not in succeed("query", "n.tactus", "n", "--format", "table").out)
    [object_] = rows_json(succeed("query", "n.tactus", "n", "--format", "json"))
    expect(object_["words"] == "a\033[31mb\nc", object_)


if __name__ == "__main__":
    main()
