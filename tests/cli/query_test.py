"""query and get: conditions, orders, formats, sums."""

import re

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
    expect(cut.out == "299\n" and after(cut) is not None, cut)
    whole = succeed("query", "shop.tactus", "sale", "--limit", "300", "--format", "count")
    expect(whole.out == "300\n" and whole.err == "", whole)


def test_limits_that_are_none():
    filled()
    for limit in ("0", "00", str(2**63), str(2**64), "1" * 40, "-1", "x", "", "1.5", "+1"):
        fail(2, "query", "shop.tactus", "sale", "--limit=" + limit)
        fail(2, "query", "shop.tactus", "sale", "--limit=" + limit, "--format", "count")
    expect(len(ids("--limit", str(2**63 - 1))) == 300)


def after(result):
    """The token of a query that was cut, or None."""
    lines = [line for line in result.err.splitlines() if line.startswith("more: ")]
    if not lines:
        return None
    expect(len(lines) == 1 and result.err.splitlines()[-1] == lines[0], result)
    found = re.fullmatch(r"more: --after ([A-Za-z][A-Za-z0-9_-]+)", lines[0])
    expect(found, result)
    return found.group(1)


def pages(*words, steps, between=lambda: None, path="shop.tactus"):
    """The ids of all pages, one after the other: `steps` are the limits, over and over."""
    rows, token, turn = [], None, 0
    while True:
        cursor = ["--after", token] if token else []
        limit = steps[turn % len(steps)]
        result = succeed("query", path, "sale", *words, "--select", "id", "--format", "csv",
                         "--limit", limit, *cursor)
        page = [int(text) for text in result.out.splitlines()[1:]]
        expect(len(page) <= limit, result)
        rows += page
        token = after(result)
        if token is None:
            return rows
        expect(len(page) == limit, result)
        between()
        turn += 1


PAGED = [
    [],
    ["", "--order", "-timestamp"],
    ["", "--order", "id"],
    ["", "--order=-id"],
    ["", "--order", "at"],
    ["", "--order=-at"],
    ["customer = 12003"],
    ["customer = 12003", "--order=-at"],
    ["customer in (12001, 12003, 12005) and country != 'France'"],
    ["customer > 12002 and at >= '2010-12-10'", "--order", "customer"],
    ["customer > 12002 and at >= '2010-12-10'", "--order=-customer"],
    ["country = 'Germany' or customer = 12002 and not quantity < 0"],
    ["country starts 'U'", "--order=-timestamp"],
    ["at between '2010-12-03' and '2010-12-09' and customer = 0"],
    ["id in (5, 6, 7, 100, 299)"],
    ["id in (5, 6, 7, 100, 299)", "--order=-id"],
    ["id between 20 and 60 and price < 5", "--order", "invoice"],
    ["id = 7"],
    ["id = 9999"],
]


def test_pages_are_the_whole():
    filled()
    for words in PAGED:
        whole = ids(*words)
        for steps in ([max(1, len(whole) // 4)], [1, 3, 200], [len(whole) or 1]):
            found = pages(*words, steps=steps)
            expect(found == whole, (words, steps, found, whole))


def test_pages_go_on_after_writes():
    """What lies behind the cursor is shown, once, whatever came or went meanwhile."""
    for words in (["customer = 12003"], [""], ["", "--order=-at"], ["", "--order", "id"]):
        os.path.exists("shop.tactus") and os.remove("shop.tactus")
        filled()
        whole = ids(*words)
        first = succeed("query", "shop.tactus", "sale", *words, "--select", "id", "--limit", "10")
        page = [int(text) for text in first.out.splitlines()[1:]]
        expect(page == whole[:10], first)
        token = after(first)
        # The cursor's own object and the next one go; rows come behind and before the place.
        succeed("remove", "shop.tactus", "sale", whole[9], whole[10])
        succeed("import", "shop.tactus", "sale", given=csv(301, 420))
        rest = ids(*words, "--after", token)
        now = ids(*words)
        shown = [row for row in now if row not in page]
        expect(set(rest) <= set(shown), (words, rest, shown))
        expect([row for row in shown if row in set(rest)] == rest, (words, rest))
        expect(set(whole[11:]) <= set(rest), (words, rest, whole))
        if words[1:] in ([], ["--order", "id"]):  # what came is behind every place
            expect(rest == shown, (words, rest, shown))
        expect(whole[9] not in rest and whole[10] not in rest, rest)


def test_pages_hold_over_a_copy_of_the_file():
    filled()
    first = succeed("query", "shop.tactus", "sale", "--limit", "100", "--select", "id")
    shutil.copy("shop.tactus", "copy.tactus")
    rest = succeed("query", "copy.tactus", "sale", "--after", after(first), "--select", "id")
    expect(rest.out.splitlines()[1:] == [str(number) for number in range(101, 301)], rest)


def test_counts_and_sums_go_page_by_page():
    filled()
    cut = succeed("query", "shop.tactus", "sale", "--limit", "120", "--format", "count")
    rest = succeed("query", "shop.tactus", "sale", "--after", after(cut), "--format", "count")
    expect(rest.out == "180\n", rest)
    both = 0
    first = succeed("query", "shop.tactus", "sale", "--sum", "quantity", "--limit", "120")
    second = succeed("query", "shop.tactus", "sale", "--sum", "quantity", "--after", after(first))
    both = int(first.out) + int(second.out)
    expect(both == int(succeed("query", "shop.tactus", "sale", "--sum", "quantity").out), both)


def test_another_querys_cursor_is_refused():
    filled()
    where = "customer = 12003"
    token = after(succeed("query", "shop.tactus", "sale", where, "--limit", "3"))
    others = (
        [""],
        ["customer = 12004"],
        ["customer != 12003"],
        [where + " and id > 0"],
        [where, "--order", "-timestamp"],
        [where, "--order", "id"],
        [where, "--order", "at"],
    )
    for words in others:
        result = fail(2, "query", "shop.tactus", "sale", *words, "--after", token)
        expect("another query's" in result.err and result.out == "", result)
    for words in ([where], ["  customer=12003 "], [where, "--order", "timestamp"]):
        succeed("query", "shop.tactus", "sale", *words, "--after", token, "--format", "json")


def test_a_damaged_cursor_is_refused():
    filled()
    token = after(succeed("query", "shop.tactus", "sale", "--limit", "3"))
    damaged = ["", "x", token[:-1], token[1:], token + "A", token + token, "c", "C" + token[1:]]
    for at in range(0, len(token), 3):
        damaged.append(token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:])
    for text in damaged:
        result = fail(2, "query", "shop.tactus", "sale", "--after=" + text)
        expect("damaged cursor" in result.err, result)


def test_explain_says_what_was_done():
    filled()
    plan = succeed("query", "shop.tactus", "sale", "customer = 12003", "--explain")
    expect("customer" in plan.out and "Germany" not in plan.out, plan)
    where = "customer = 12003 and quantity > 2"
    plain = succeed("query", "shop.tactus", "sale", where, "--explain", "--format", "json")
    expect(isinstance(json.loads(plain.out), dict) and plain.out.count("\n") == 1, plain)
    cut = succeed("query", "shop.tactus", "sale", where, "--explain", "--limit", "2")
    expect(after(cut) is not None, cut)


def test_bad_questions_have_a_place_and_a_reason():
    filled()
    cases = {
        "country ==": (1, 10),
        "customer = ": (1, 12),
        "customer = 'x'": (1, 12),
        "customer = 1.5": (1, 12),
        "customer = -1": (1, 12),
        "at = 2010": (1, 6),
        "at = '2010-13-01'": (1, 6),
        "price = 1.2345": (1, 9),
        "price = true": (1, 9),
        "quantity between 1": (1, 19),
        "quantity in ()": (1, 14),
        "country starts 5": (1, 16),
        "quantity starts '5'": (1, 10),
        "id = 1 and": (1, 11),
        "(id = 1": (1, 8),
        "id = 1)": (1, 7),
        "nothing = 1": (1, 1),
        "id = 1\nand price < x'": (2, 13),
        "invoice = '123456789'": (1, 11),
    }
    for where, place in cases.items():
        result = fail(2, "query", "shop.tactus", "sale", where)
        found = re.match(r"tactus: where:(\d+):(\d+): (.+)", result.err)
        expect(found and (int(found[1]), int(found[2])) == place, (where, result))
        expect(len(found[3]) > 10 and result.out == "", result)
    expect("index" in fail(1, "query", "shop.tactus", "sale", "--order", "price").err)
    fail(1, "query", "shop.tactus", "sale", "--order", "country")  # 20 bytes: no order
    fail(1, "query", "shop.tactus", "sale", "--order", "customer")  # leaves zero out
    for order in ("", "-"):
        result = run("query", "shop.tactus", "sale", "--order=" + order + "nothing")
        expect(result.code in (1, 2) and "nothing" in result.err, result)


def test_more_scans_than_are_made_are_refused():
    filled()
    few = " or ".join(f"customer = {12000 + number}" for number in range(32))
    expect(count(where=few) == 240)
    many = few + " or country = 'Germany'"
    result = fail(6, "query", "shop.tactus", "sale", many)
    expect("32" in result.err, result)
    result = fail(6, "query", "shop.tactus", "sale", many, "--format", "count")
    narrowed = f"({many}) and invoice = '536370'"  # left to the check
    expect(0 < count(where=narrowed) <= 10)


def test_a_hashed_index_answers_equality():
    create("h.tactus", "collection h {\n  id u64\n  path text(60) optional index hash\n}\n")
    lines = "".join(
        f"{i},{'' if i % 10 == 0 else '/a/long/common/prefix/' + str(i % 50)}\n"
        for i in range(500)
    )
    succeed("import", "h.tactus", "h", given="id,path\n" + lines)
    succeed("set", "h.tactus", "h", 1, "path=/a/long/common/prefix/2")

    def found(where):
        result = succeed("query", "h.tactus", "h", where, "--select", "id")
        return [int(text) for text in result.out.splitlines()[1:]]

    expect(found("path = '/a/long/common/prefix/2'") == [1, *range(2, 500, 50)])
    expect(found("path = '/a/long/common/prefix/1'") == list(range(51, 500, 50)))
    expect(found("path = ''") == list(range(0, 500, 10)))
    expect(len(found("path in ('/a/long/common/prefix/3', '/none')")) == 10)
    expect(len(found("path > '/a/long/common/prefix/48'")) == 60)
    expect(len(found("path starts '/a'")) == 450)
    fail(1, "query", "h.tactus", "h", "--order", "path")
    verify("h.tactus")


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
