"""Where-expressions as trees, drawn from the rows of a data set, and said in two languages: that of
`tactus query`, and SQL with the same meaning. SQL gets numbers where Tactus gets decimals and
times; an absent value is zero in both."""

import datetime

DEPTH = 4


class Field:
    """A field of the collection, a column of the table. `kind` is one of int, decimal, time, float
    and text; `places` are a decimal's digits behind the point; `orders`: its index gives an order
    of every object."""

    def __init__(self, name, kind, places=0, size=0, lookup=False, orders=False, least=None):
        self.name, self.kind, self.places, self.size = name, kind, places, size
        self.lookup, self.orders, self.least = lookup, orders, least

    def column(self):
        return '"' + self.name + '"'

    def sql_type(self):
        return {"text": "TEXT", "float": "REAL"}.get(self.kind, "INTEGER")

    def say(self, value):
        """The value as Tactus reads it."""
        if self.kind == "text":
            return "'" + value.replace("'", "''") + "'"
        if self.kind == "decimal":
            whole, rest = divmod(abs(value), 10**self.places)
            return f"{'-' if value < 0 else ''}{whole}.{rest:0{self.places}d}"
        if self.kind == "time":
            seconds, rest = divmod(value, 10**9)
            when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
            text = when.isoformat(" ")
            return "'" + (text + f".{rest:09d}" if rest else text) + "'"
        return repr(value)

    def cell(self, value):
        """The value as `put` reads it."""
        if self.kind == "text":
            return value
        return self.say(value).strip("'")

    def read(self, cell):
        """A cell of the data as the number or text that SQL has."""
        if self.kind == "text":
            return cell
        if cell == "":
            return 0
        if self.kind == "float":
            return float(cell)
        if self.kind == "decimal":
            sign = -1 if cell.startswith("-") else 1
            whole, _, rest = cell.lstrip("-").partition(".")
            return sign * (int(whole) * 10**self.places + int(rest.ljust(self.places, "0")))
        if self.kind == "time":
            when = datetime.datetime.fromisoformat(cell)
            return round((when - datetime.datetime(1970, 1, 1)).total_seconds()) * 10**9
        return int(float(cell))


# ---- trees: ("and" | "or", [tree...]), ("not", tree), (operator, field, [value...]) ----


def cut(text, size):
    """As much of the text as fits, in whole letters."""
    return text.encode()[:size].decode(errors="ignore")


def around(random, field, value):
    """A value that rows have, or one close by."""
    roll = random.randrange(10)
    if field.kind != "text":
        steps = {"float": [0.5, 0.01], "time": [10**9, 86400 * 10**9, 1]}.get(field.kind, [1, 7])
        if roll < 6:
            return value
        if roll == 9 and field.kind != "time":
            return 0
        value += random.choice([-1, 1]) * random.choice(steps)
        return value if field.least is None else max(value, field.least)
    if roll < 6:
        return value
    if roll == 6:
        return cut(value, random.randint(0, max(1, len(value))))
    if roll == 7:
        return cut(value + random.choice(["'", " ", "ä", "\U0001f41f", "~", "a'b"]), field.size)
    if roll == 8:
        return cut(value.lower(), field.size)
    return cut(value[:16] + "zz", field.size)


def draw_test(random, fields, rows):
    field = random.choice([f for f in fields if f.lookup] if random.random() < 0.6 else fields)
    index = fields.index(field)
    operators = ["=", "=", "=", "!=", "<", "<=", ">", ">=", "between", "in", "in"]
    if field.kind == "text":
        operators += ["starts", "starts"]
    operator = random.choice(operators)
    count = {"between": 2, "in": random.randint(1, 6)}.get(operator, 1)
    values = [around(random, field, random.choice(rows)[index]) for _ in range(count)]
    if operator == "between" and random.random() < 0.9:
        values.sort(key=lambda v: v.encode() if isinstance(v, str) else v)
    if operator == "starts":
        values = [cut(values[0], random.randint(1, 20))]
    return operator, field, values


def draw(random, fields, rows, depth):
    roll = random.random()
    if depth == 0 or roll < 0.3:
        return draw_test(random, fields, rows)
    if roll < 0.4:
        return "not", draw(random, fields, rows, depth - 1)
    word = "and" if roll < 0.75 else "or"
    count = random.choice([2, 2, 3])
    return word, [draw(random, fields, rows, depth - 1) for _ in range(count)]


def lookups(tree):
    """The scans that it could ask for."""
    if tree[0] in ("and", "or"):
        return sum(lookups(child) for child in tree[1])
    return lookups(tree[1]) if tree[0] == "not" else len(tree[2])


def where(tree):
    """In Tactus' words."""
    word = tree[0]
    if word in ("and", "or"):
        return "(" + f" {word} ".join(where(child) for child in tree[1]) + ")"
    if word == "not":
        return "not " + where(tree[1]) if tree[1][0] in ("and", "or") else f"not ({where(tree[1])})"
    _, field, values = tree
    said = [field.say(value) for value in values]
    if word == "between":
        return f"{field.name} between {said[0]} and {said[1]}"
    if word == "in":
        return f"{field.name} in ({', '.join(said)})"
    return f"{field.name} {word} {said[0]}"


def sql(tree, given):
    """In SQL; appends the values to `given`."""
    word = tree[0]
    if word in ("and", "or"):
        return "(" + f" {word} ".join(sql(child, given) for child in tree[1]) + ")"
    if word == "not":
        return f"NOT ({sql(tree[1], given)})"
    _, field, values = tree
    if word == "starts":
        prefix = values[0].encode()
        if not prefix:
            return "1"
        given += [len(prefix), prefix]
        # substr() of an empty BLOB is NULL.
        return f"(substr(CAST({field.column()} AS BLOB), 1, ?) = ?) IS TRUE"
    given += values
    if word == "between":
        return f"{field.column()} BETWEEN ? AND ?"
    if word == "in":
        return f"{field.column()} IN ({', '.join('?' * len(values))})"
    return f"{field.column()} {word} ?"
