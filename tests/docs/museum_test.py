#!/usr/bin/python3
"""docs/internals/museum.md names tests that exist, and has every row, with a test or a reason."""
import re
import sys

import support

PAGE = "docs/internals/museum.md"
ROWS = {"D": 9, "T": 10, "B": 26, "R": 18, "S": 13}
WITHOUT_TESTS = ("no", "later")


def rows():
    """row -> (applies, [(file, test)])"""
    found = {}
    for line in support.read(PAGE).split("\n"):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4 or not re.fullmatch(r"[A-Z]\d+", cells[0]):
            continue
        assert cells[0] not in found, f"{cells[0]} is there twice"
        found[cells[0]] = (cells[2], re.findall(r"`([\w/]+): (\w+)`", cells[3]))
        left = re.sub(r"`[\w/]+: \w+`", "", cells[3])
        assert not left.strip(", "), f"{cells[0]}: what is {left.strip()}?"
    return found


def has_test(path, name):
    """A test program's TEST(module, name), or a script's def name()."""
    program = support.ROOT / "tests" / f"{path}_test.c"
    script = support.ROOT / "tests" / f"{path}_test.py"
    if program.exists():
        return re.search(rf"\bTEST\(\s*\w+,\s*{name}\s*\)", program.read_text(encoding="utf-8"))
    return script.exists() and f"\ndef {name}(" in script.read_text(encoding="utf-8")


def test_every_test_exists():
    missing = []
    for row, (_, tests) in rows().items():
        missing += [f"{row}: {path}: {name}" for path, name in tests if not has_test(path, name)]
    assert not missing, "no such test: " + "; ".join(missing)


def test_every_row_is_there():
    wanted = [f"{letter}{1 + index}" for letter, count in ROWS.items() for index in range(count)]
    assert list(rows()) == wanted, f"{set(wanted) ^ set(rows())}, or they are in another order"


def test_every_row_has_a_test_or_a_reason():
    for row, (applies, tests) in rows().items():
        word = re.match(r"yes|in part|later|no", applies)
        assert word, f"{row}: {applies} is neither yes, in part, later nor no"
        assert tests or word.group() in WITHOUT_TESTS, f"{row} applies and has no test"
        reason = len(applies) > len(word.group())
        assert reason or word.group() == "yes", f"{row}: {applies}, but why?"


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    support.main([
        test_every_test_exists,
        test_every_row_is_there,
        test_every_row_has_a_test_or_a_reason,
    ])
