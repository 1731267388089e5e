"""What the tests of the command share: a scratch directory, the command, and expectations in words.

Each test is a function named test_*; `main()` runs all of them, each in a directory of its own, and
exits 1 if one failed. The command under test is in $TACTUS."""

import inspect
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

TACTUS = os.environ.get("TACTUS", "tactus")

SCHEMA = """\
# a small shop
collection sale {
  id           u64
  timestamp    timestamp
  invoice      text(8)   index
  customer     u32       optional index
  at           time      index
  price        decimal(3)
  quantity     i32
  country      text(20)  index
  index customer_at (customer, at)
}
"""

HEADER = "id,invoice,customer,at,price,quantity,country"

# So small that an empty file takes little, and a few hundred rows are several transactions.
SMALL = ["--block-size", "4K", "--batch", "64", "--bar", "4", "--journal", "1M", "--size-max", "1G"]

COUNTRIES = ["Germany", "France", "United Kingdom", "Österreich"]


def row(number):
    """The row of that number, always the same."""
    customer = "" if number % 5 == 0 else str(12000 + number % 7)
    country = COUNTRIES[number % len(COUNTRIES)]
    day = 1 + number % 28
    cents = number * 37 % 100000
    return (
        f"{number},{536365 + number // 10},{customer},2010-12-{day:02d} 08:26:00,"
        f"{cents // 100}.{cents % 100:02d},{number % 11 - 3},{country}"
    )


def csv(first, last):
    return HEADER + "\n" + "".join(row(number) + "\n" for number in range(first, last + 1))


class Result:
    def __init__(self, code, out, err, command):
        self.code, self.raw_out, self.raw_err, self.command = code, out, err, command
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")

    def __repr__(self):
        said = f"  out: {self.out[:2000]}\n  err: {self.err[:2000]}"
        return f"{self.command}\n  exit {self.code}\n{said}"


def start(*arguments, environment=None, **pipes):
    """The command as a running process."""
    environment = {**os.environ, **(environment or {})}
    return subprocess.Popen([TACTUS, *map(str, arguments)], env=environment, **pipes)


def run(*arguments, given=b"", environment=None):
    """The command with its words, to its end."""
    given = given.encode() if isinstance(given, str) else given
    process = start(
        *arguments,
        environment=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = process.communicate(given, timeout=600)
    return Result(process.returncode, out, err, " ".join(["tactus", *map(str, arguments)]))


def expect(fact, result=""):
    """Fails the test, with the line that said so."""
    if not fact:
        caller = inspect.stack()[1]
        line = (caller.code_context or ["?"])[0].strip()
        raise AssertionError(f"line {caller.lineno}: {line}\n{result!r}")


def succeed(*arguments, **rest):
    result = run(*arguments, **rest)
    if result.code != 0:
        caller = inspect.stack()[1]
        raise AssertionError(f"line {caller.lineno}: it should have exited with 0\n{result!r}")
    return result


def fail(code, *arguments, **rest):
    """Exits with `code` and says a line or more that begin with `tactus: `, none of a sanitizer."""
    result = run(*arguments, **rest)
    said = [line for line in result.err.splitlines() if line.startswith("tactus: ")]
    if result.code != code or not said or "Sanitizer" in result.err:
        caller = inspect.stack()[1]
        raise AssertionError(f"line {caller.lineno}: it should have exited with {code}\n{result!r}")
    return result


def create(path="shop.tactus", schema=SCHEMA, options=()):
    pathlib.Path("schema").write_text(schema)
    return succeed("create", path, "--schema", "schema", *SMALL, *options)


def count(path="shop.tactus", collection="sale", where=None):
    words = [where] if where is not None else []
    return int(succeed("query", path, collection, *words, "--format", "count").out)


def logical(path, collection="sale"):
    for line in succeed("digest", path).out.splitlines():
        if line.startswith(collection + " "):
            return line.split("logical=")[1]
    raise AssertionError("digest named no " + collection)


def rows_json(result):
    return [json.loads(line) for line in result.out.splitlines()]


def verify(path="shop.tactus"):
    result = succeed("verify", path)
    expect("sound" in result.out, result)


def main():
    failed = 0
    tests = inspect.getmembers(sys.modules["__main__"], inspect.isfunction)
    wanted = sys.argv[1:]
    for name, test in tests:
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        directory = tempfile.mkdtemp(prefix="tactus-cli-")
        before = os.getcwd()
        os.chdir(directory)
        try:
            test()
            print("ok   ", name)
        except Exception:  # one failure must not hide the next
            failed += 1
            print("FAIL ", name)
            traceback.print_exc(limit=3)
        finally:
            os.chdir(before)
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failed else 0)
