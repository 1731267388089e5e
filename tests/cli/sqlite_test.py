"""Real data, the same questions to Tactus and to sqlite3, the same answers.

    sqlite_test.py                                  a slice of the demo's data, a few questions
    sqlite_test.py --data DIRECTORY --count 1000    all of online-retail and debian-relations

DIRECTORY holds online-retail.csv.zst and debian-relations.csv.zst. Needs zstd. --seed draws other
questions, --only NAME asks one of the two. The slice is of examples/shop/online-retail.csv.zst; its
origin and licence stand in examples/shop/ATTRIBUTION.

Each question is asked for its rows in order, a page at a time; for its count; and for a sum. Some
rows are removed, changed and put back first, so that indexes hold what is gone."""

import argparse
import csv
import io
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from support import SMALL, run, succeed
from support_sqlite import DEPTH, Field, draw, lookups, sql, where

SOURCE = pathlib.Path(os.environ.get("TACTUS_SOURCE", pathlib.Path(__file__).parents[2]))
DEMO = SOURCE / "examples" / "shop"
SCANS_MAX = 32
PAGES = 3

SALE = """\
collection sale {
  id           u64
  timestamp    timestamp
  invoice      text(8)    index
  stock        text(12)   index
  customer     u32        optional index
  at           time       index
  price        decimal(3) index
  quantity     i32        index
  country      text(20)   index
  description  text(40)   index
  value        f64        index sparse
  name         text(40)   index hash
  index customer_at (customer, at)
  index stock_quantity (stock, quantity)
}
"""

RELATION = """\
collection relation {
  id           u128
  timestamp    timestamp
  from_id      u32        index
  from         text(80)   index
  relation     text(18)   index
  clause       u16
  alternative  u8         index sparse
  to           text(88)   index hash
  target       text(88)   index
  to_id        u32        optional index
  op           text(2)    index sparse
  version      text(43)   optional index
  index relation_to (to_id, alternative)
  index edge (from_id, to_id, clause)
}
"""


class Set:
    """A data set in both: a Tactus file and a table of the same name."""

    def __init__(self, name, schema, fields, columns, rows, options):
        self.name, self.fields = name, fields
        self.path = name + ".tactus"
        pathlib.Path(name + ".tactus-schema").write_text(schema)
        succeed("create", self.path, "--schema", name + ".tactus-schema", *options)
        self.import_rows(columns, rows)
        self.table = sqlite3.connect(":memory:")
        declared = ", ".join(f"{f.column()} {f.sql_type()} NOT NULL" for f in fields)
        self.table.execute(f"CREATE TABLE {name} ({declared})")
        self.insert([self.read(number, row, columns) for number, row in enumerate(rows, 1)])
        self.row_count = len(rows)

    def read(self, number, row, columns):
        values = []
        for field in self.fields:
            own = field.name in ("id", "timestamp")
            values.append(number if own else field.read(row[columns[field.name]]))
        return values

    def insert(self, rows):
        marks = ", ".join("?" * len(self.fields))
        self.table.executemany(f"INSERT INTO {self.name} VALUES ({marks})", rows)

    def import_rows(self, columns, rows):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = [f.name for f in self.fields if f.name not in ("id", "timestamp")]
        writer.writerow(names)
        places = [columns[name] for name in names]
        writer.writerows([[row[place] for place in places] for row in rows])
        options = ["--map", "id=@row", "--sync", "none"]
        succeed("import", self.path, self.name, *options, given=text.getvalue())

    def change(self, chance, text_field):
        """Removes some rows, sets a field of some, puts some back: they are the newest then."""
        ids = list(range(1, self.row_count + 1))
        gone = chance.sample(ids, min(2000, self.row_count // 20))
        changed = chance.sample(sorted(set(ids) - set(gone)), 12)
        words = ["it's", "''", "Österreich", "\U0001f41f in a 'bag'", "", "sixteen bytes ok"]
        for number in changed:
            word = chance.choice(words)
            succeed("set", self.path, self.name, number, f"{text_field}={word}")
            self.table.execute(
                f'UPDATE {self.name} SET "{text_field}" = ? WHERE id = ?', (word, number)
            )
        last = self.row_count
        for first in range(0, len(gone), 500):
            succeed("remove", self.path, self.name, *gone[first : first + 500])
        back = []
        for number in gone[:6]:
            row = self.table.execute(f"SELECT * FROM {self.name} WHERE id = ?", (number,))
            values = list(row.fetchone())
            last += 1
            values[1] = last
            pairs = zip(self.fields, values)
            given = [f"{f.name}={f.cell(v)}" for f, v in pairs if f.name != "timestamp"]
            succeed("put", self.path, self.name, *given)
            back.append(values)
        self.table.executemany(f"DELETE FROM {self.name} WHERE id = ?", [(n,) for n in gone])
        self.insert(back)

    def sample(self, chance, count=4000):
        rows = self.table.execute(f"SELECT * FROM {self.name}").fetchall()
        return chance.sample(rows, min(count, len(rows)))

    def summed(self):
        return next(f for f in self.fields if f.name in ("price", "clause"))

    def wanted(self, tree, field, descending, most):
        """How many rows, the sum over all of them, and the first ids in order: `most` of them."""
        given = []
        condition = sql(tree, given) if tree else "1"
        way = "DESC" if descending else "ASC"
        of = f"FROM {self.name} WHERE {condition}"
        count, total = self.table.execute(
            f"SELECT count(*), sum({self.summed().column()}) {of}", given
        ).fetchone()
        order = f"ORDER BY {field.column()} {way}, timestamp {way} LIMIT {most}"
        ids = self.table.execute(f"SELECT id {of} {order}", given)
        return count, total or 0, [row[0] for row in ids]


def text_where(tree):
    return [where(tree)] if tree else []


class Asked:
    questions = rows = pages = limits = 0


def ids_of(result):
    return [int(line) for line in result.out.split()[1:]]


def ask_rows(data, tree, order, page, count, wanted):
    """In pages, each behind the last one's place: the first ones, all if they are few."""
    words = text_where(tree)
    found, after = 0, []
    for _ in range(PAGES):
        options = ["--order", order, "--limit", str(page), "--select", "id", *after]
        result = run("query", data.path, data.name, *words, *options)
        Asked.pages += 1
        if result.code == 6 and tree and lookups(tree) > SCANS_MAX and "scan" in result.err:
            Asked.limits += 1
            return False
        assert result.code == 0, repr(result)[:1500]
        ids = ids_of(result)
        next_ids = wanted[found : found + page]
        assert ids == next_ids, f"after {found}: found {ids[:20]}, wanted {next_ids[:20]}"
        found += len(ids)
        more = re.search(r"^more: --after (\S+)$", result.err, re.MULTILINE)
        assert bool(more) == (found < count), (found, count, result.err)
        if not more:
            break
        after = ["--after", more.group(1)]
    Asked.rows += found
    return True


def ask(data, chance, tree, number):
    orders = [f for f in data.fields if f.orders]
    field = chance.choice(orders) if chance.random() < 0.7 else data.fields[1]
    descending = chance.random() < 0.5
    page = chance.choice([1, 7, 50, 400, 3000])
    count, total, wanted = data.wanted(tree, field, descending, PAGES * page)
    if not ask_rows(data, tree, "-" * descending + field.name, page, count, wanted):
        return
    words = text_where(tree)
    counted = succeed("query", data.path, data.name, *words, "--format", "count")
    assert int(counted.out) == count, (counted, count)
    if number % 3 == 0:
        summed = data.summed()
        result = succeed("query", data.path, data.name, *words, "--sum", summed.name)
        assert summed.read(result.out.strip()) == total, (result, total)
    Asked.questions += 1


def ask_many(data, count, seed):
    chance = random.Random(seed)
    rows = data.sample(chance)
    for number in range(count):
        tree = draw(chance, data.fields, rows, chance.randint(0, DEPTH))
        try:
            ask(data, chance, tree, number)
        except AssertionError as wrong:
            wheres = where(tree)
            raise AssertionError(f"{data.name}, seed {seed}, question {number}: {wheres}\n{wrong}")
        if number % 100 == 99:
            print(f"{data.name}: {number + 1} questions", flush=True)


# ---- the demo's questions ----


def demo_trees(data):
    """The questions of examples/shop/demo.sh, as trees, by their words there."""
    field = {f.name: f for f in data.fields}

    def test(name, operator, *cells):
        return operator, field[name], [field[name].read(cell) for cell in cells]

    at = [test("at", ">=", "2011-11-01"), test("at", "<", "2011-12-01")]
    till = [test("customer", "=", "0"), test("country", "=", "United Kingdom")]
    return {
        "customer = 17850 and stock = '85123A'": (
            "and", [test("customer", "=", "17850"), test("stock", "=", "85123A")]),
        "country = 'Germany' and at >= '2011-11-01' and at < '2011-12-01'": (
            "and", [test("country", "=", "Germany"), *at]),
        "invoice starts 'C'": test("invoice", "starts", "C"),
        "customer = 0 and country = 'United Kingdom'": ("and", till),
        "stock = '22423' and not country = 'United Kingdom'": (
            "and", [test("stock", "=", "22423"), ("not", till[1])]),
        "customer = 17850": test("customer", "=", "17850"),
        "price < 0": test("price", "<", "0"),
    }


def ask_demo(data):
    script = (DEMO / "demo.sh").read_text()
    trees = demo_trees(data)
    asked = re.findall(r'^ask (\d+) "(.*)"$', script, re.MULTILINE)
    others = re.findall(r"query shop\.tactus sale '([^']*)'", script)
    missing = {words for _, words in asked} | set(others)
    assert len(asked) >= 5 and missing == set(trees), missing ^ set(trees)
    field = {f.name: f for f in data.fields}
    for words, tree in trees.items():
        for order in ("timestamp", "-timestamp", "-at", "price"):
            by = field[order.lstrip("-")]
            count, total, wanted = data.wanted(tree, by, order.startswith("-"), PAGES * 500)
            assert ask_rows(data, tree, order, 500, count, wanted)
            same = succeed("query", data.path, data.name, words, "--format", "count")
            assert int(same.out) == count, (same, count)
        summed = succeed("query", data.path, data.name, words, "--sum", "price")
        assert field["price"].read(summed.out.strip()) == total, (summed, total)
        Asked.questions += 1
    quantity = data.table.execute("SELECT sum(quantity) FROM sale").fetchone()[0]
    summed = succeed("query", data.path, data.name, "--sum", "quantity")
    assert int(summed.out) == quantity, (summed, quantity)
    return {int(wanted): trees[words] for wanted, words in asked}


# ---- data sets ----


def rows_of(path):
    process = subprocess.Popen(["zstd", "-dcq", "--long=27", path], stdout=subprocess.PIPE)
    with io.TextIOWrapper(process.stdout, encoding="utf-8", newline="") as text:
        rows = list(csv.reader(text))
    assert process.wait() == 0, path
    return rows[0], rows[1:]


def sale(path, every, options):
    header, rows = rows_of(path)
    if every > 1:
        at = {name: place for place, name in enumerate(header)}
        rows = [
            row
            for number, row in enumerate(rows)
            if number % every == 0
            or row[at["UnitPrice"]].startswith("-")
            or (number % 7 == 0 and not row[at["Description"]].isascii())
            or (number % 5 == 0 and row[at["StockCode"]] == "22423")
        ]
    fields = [
        Field("id", "int", lookup=True, orders=True, least=0),
        Field("timestamp", "int", orders=True, least=1),
        Field("invoice", "text", size=8, lookup=True, orders=True),
        Field("stock", "text", size=12, lookup=True, orders=True),
        Field("customer", "int", lookup=True, least=0),
        Field("at", "time", lookup=True, orders=True),
        Field("price", "decimal", places=3, lookup=True, orders=True),
        Field("quantity", "int", lookup=True, orders=True),
        Field("country", "text", size=20, lookup=True),
        Field("description", "text", size=40, lookup=True),
        Field("value", "float"),
        Field("name", "text", size=40, lookup=True),
    ]
    sources = {
        "invoice": "InvoiceNo", "stock": "StockCode", "customer": "CustomerID",
        "at": "InvoiceDate", "price": "UnitPrice", "quantity": "Quantity", "country": "Country",
        "description": "Description", "value": "UnitPrice", "name": "Description",
    }  # fmt: skip
    columns = {name: header.index(source) for name, source in sources.items()}
    return Set("sale", SALE, fields, columns, rows, options)


def relation(path):
    header, rows = rows_of(path)
    fields = [
        Field("id", "int", lookup=True, orders=True, least=0),
        Field("timestamp", "int", orders=True, least=1),
        Field("from_id", "int", lookup=True, orders=True, least=0),
        Field("from", "text", size=80, lookup=True),
        Field("relation", "text", size=18, lookup=True),
        Field("clause", "int", least=0),
        Field("alternative", "int", lookup=True, least=0),
        Field("to", "text", size=88, lookup=True),
        Field("target", "text", size=88, lookup=True),
        Field("to_id", "int", lookup=True, least=0),
        Field("op", "text", size=2),
        Field("version", "text", size=43, lookup=True),
    ]
    columns = {name: place for place, name in enumerate(header)}
    columns["target"] = columns["to"]
    return Set("relation", RELATION, fields, columns, rows, ["--memory", "64M"])


def test_slice(count, seed):
    data = sale(DEMO / "online-retail.csv.zst", 300, SMALL)
    data.change(random.Random(seed), "description")
    ask_demo(data)
    ask_many(data, count, seed)


def test_all(directory, count, seed, only):
    if only in (None, "online-retail"):
        data = sale(directory / "online-retail.csv.zst", 1, ["--memory", "64M"])
        for wanted, tree in ask_demo(data).items():
            found = succeed("query", data.path, data.name, where(tree), "--format", "count")
            assert int(found.out) == wanted, (found, wanted)
        data.change(random.Random(seed), "description")
        ask_many(data, count, seed)
    if only in (None, "debian-relations"):
        data = relation(directory / "debian-relations.csv.zst")
        data.change(random.Random(seed), "target")
        ask_many(data, count, seed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("online-retail", "debian-relations"))
    arguments = parser.parse_args()
    if shutil.which("zstd") is None:
        print("zstd is missing: left out")
        sys.exit(77)
    directory = arguments.data and arguments.data.resolve()
    with tempfile.TemporaryDirectory(prefix="tactus-sqlite-") as scratch:
        os.chdir(scratch)
        if directory:
            test_all(directory, arguments.count, arguments.seed, arguments.only)
        else:
            test_slice(arguments.count, arguments.seed)
        os.chdir("/")
    print(
        f"{Asked.questions} questions, {Asked.pages} pages with {Asked.rows} rows, "
        f"{Asked.limits} times too many scans: all as sqlite3 says"
    )


if __name__ == "__main__":
    main()
