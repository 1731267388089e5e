#!/usr/bin/python3
"""Every rule of lint.py finds what it is for, and nothing else: each test makes a small tree that
is clean but for one thing, and names the one finding."""
import os
import shutil
import tempfile
import unittest

import lint

UNIT = {
    "include/tactus.h": "#ifndef TACTUS_H\n#define TACTUS_H\n\nint tactus(void);\n\n#endif\n",
    "src/base/poison.h": (
        "#ifndef TACTUS_BASE_POISON_H\n#define TACTUS_BASE_POISON_H\n\n#endif\n"
    ),
    "src/base/bytes.h": (
        "#ifndef TACTUS_BASE_BYTES_H\n#define TACTUS_BASE_BYTES_H\n\nint bytes(void);\n\n#endif\n"
    ),
    "src/base/bytes.c": (
        '#include "base/bytes.h"\n\n#include "base/poison.h"\n\nint bytes(void)\n{\n'
        "    return 0;\n}\n"
    ),
    "src/lsm/tree.h": (
        '#ifndef TACTUS_LSM_TREE_H\n#define TACTUS_LSM_TREE_H\n\n#include "base/bytes.h"\n'
        "\n#endif\n"
    ),
    "src/lsm/tree.c": '#include "lsm/tree.h"\n\n#include "base/poison.h"\n',
    "cli/main.c": '#include "tactus.h"\n\n#include <stdlib.h>\n',
    "docs/guide.md": (
        "# The guide\n\nSee [format](format.md#blocks-and-more) and [here](#the-guide).\n"
    ),
    "docs/format.md": "# Format\n\n## Blocks, and more\n",
}


class LintTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in UNIT.items():
            self.write(path, text)

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def append(self, path, text):
        self.write(path, UNIT[path] + text)

    def put_include(self, path, line):
        """Puts an include before that of poison.h."""
        text = UNIT[path].replace('#include "base/poison.h"', line + '\n\n#include "base/poison.h"')
        self.write(path, text)

    def expect(self, *wanted, compile_headers=False):
        findings, _ = lint.lint(self.root, compile_headers)
        self.assertEqual(len(findings), len(wanted), findings)
        for finding, part in zip(findings, wanted):
            self.assertIn(part, finding)

    def test_clean_tree_has_no_findings(self):
        self.expect(compile_headers=True)

    def test_floor_may_not_look_up(self):
        self.put_include("src/base/bytes.c", '#include "lsm/tree.h"')
        self.expect("src/base/bytes.c:3: floor: base/ may not include lsm/")

    def test_floor_may_not_skip_where_the_table_has_no_edge(self):
        self.write("src/io/file.h", UNIT["src/base/poison.h"].replace("BASE_POISON", "IO_FILE"))
        self.put_include("src/lsm/tree.c", '#include "io/file.h"')
        self.expect("floor: lsm/ may not include io/")

    def test_include_must_exist(self):
        self.put_include("src/lsm/tree.c", '#include "lsm/absent.h"')
        self.expect("floor: there is no src/lsm/absent.h")

    def test_public_header_is_for_database_alone(self):
        self.put_include("src/lsm/tree.c", '#include "tactus.h"')
        self.expect("src/lsm/tree.c:3: floor: tactus.h is for")

    def test_command_sees_the_public_header_alone(self):
        self.append("cli/main.c", '#include "lsm/tree.h"\n')
        self.expect("cli/main.c:4: floor: cli/ may not see lsm/tree.h")

    def test_workloads_see_neither_the_engine_nor_the_command(self):
        self.write("bench/run.h", UNIT["src/base/bytes.h"].replace("BASE_BYTES", "BENCH_RUN"))
        self.append("cli/main.c", '#include "bench/run.h"\n')
        self.write("bench/peers/main.c", '#include "bench/run.h"\n#include "cli/main.h"\n')
        self.expect()
        self.write("bench/run.c", '#include "bench/run.h"\n#include "lsm/tree.h"\n')
        self.write("bench/other.c", '#include "cli/main.h"\n')
        self.expect(
            "bench/other.c:1: floor: bench/ may not see cli/main.h",
            "bench/run.c:2: floor: bench/ may not see lsm/tree.h",
        )

    def test_cycle_is_named(self):
        guard = "#ifndef TACTUS_LSM_{0}_H\n#define TACTUS_LSM_{0}_H\n\n{1}\n\n#endif\n"
        self.write("src/lsm/a.h", guard.format("A", '#include "lsm/b.h"'))
        self.write("src/lsm/b.h", guard.format("B", '#include "lsm/a.h"'))
        self.expect("cycle: lsm/a.h > lsm/b.h > lsm/a.h")

    def test_header_must_compile_alone(self):
        text = UNIT["src/base/bytes.h"].replace("int bytes(void)", "uint32_t bytes(void)")
        self.write("src/base/bytes.h", text)
        # as do all that include it
        self.expect(
            "src/base/bytes.h:1: alone", "src/lsm/tree.h:1: alone", compile_headers=True
        )

    def test_header_must_be_included(self):
        self.write("src/lsm/new.h", "#ifndef TACTUS_LSM_NEW_H\n#define TACTUS_LSM_NEW_H\n#endif\n")
        self.expect("src/lsm/new.h:1: unused")

    def test_guard_must_name_the_place(self):
        self.write("src/lsm/tree.h", UNIT["src/lsm/tree.h"].replace("TACTUS_LSM", "LSM"))
        self.expect("src/lsm/tree.h:1: guard: the guard is not TACTUS_LSM_TREE_H")

    def test_guard_must_be_around_all(self):
        self.append("src/base/bytes.h", "int after;\n")
        self.expect("src/base/bytes.h:1: guard")

    def test_poison_must_be_there(self):
        self.write("src/lsm/tree.c", '#include "lsm/tree.h"\n')
        self.expect("src/lsm/tree.c:1: order: base/poison.h is not included")

    def test_poison_must_be_last(self):
        self.append("src/lsm/tree.c", "#include <string.h>\n")
        self.expect("src/lsm/tree.c:1: order: base/poison.h is not the last include")

    def test_own_header_must_be_first(self):
        self.write(
            "src/lsm/tree.c",
            '#include "base/bytes.h"\n#include "lsm/tree.h"\n\n#include "base/poison.h"\n',
        )
        self.expect("src/lsm/tree.c:1: order: lsm/tree.h is not the first include")

    def test_line_of_101_columns(self):
        self.append("src/base/bytes.c", "/* " + "é" * 94 + " */\n")  # 100 columns, more bytes
        self.expect()
        self.append("src/base/bytes.c", "/* " + "é" * 95 + " */\n")
        self.expect("src/base/bytes.c:9: length: 101 columns")

    def test_function_of_71_lines(self):
        self.append("src/base/bytes.c", "\nint a(void)\n{\n" + "    ;\n" * 68 + "}\n")
        self.expect()
        self.append("src/base/bytes.c", "\nint a(void)\n{\n" + "    ;\n" * 69 + "}\n")
        self.expect("src/base/bytes.c:11: length: a function of 71 lines")

    def test_function_with_a_reason_is_counted(self):
        body = "\nint a(void) /* long: one switch */\n{\n" + "    ;\n" * 69 + "}\n"
        self.append("src/base/bytes.c", body * (lint.LONG_MAX + 1))
        self.expect("length: one more function with a reason to be long")

    def test_file_of_1001_lines(self):
        self.append("src/base/bytes.c", ";\n" * 993)
        self.expect("src/base/bytes.c:1: length: 1001 lines")
        self.append("src/base/bytes.c", "")
        self.write("tests/unit/base/bytes_test.c", ";\n" * 1500)
        self.expect()
        self.write("tests/unit/base/bytes_test.c", ";\n" * 1501)
        self.expect("tests/unit/base/bytes_test.c:1: length: 1501 lines")

    def test_comment_with_two_slashes(self):
        self.append("src/base/bytes.c", 'const char *a = "http://x"; /* http://y */\nint b; // c\n')
        self.expect("src/base/bytes.c:10: ban: a comment with two slashes")

    def test_libc_assert(self):
        self.append("cli/main.c", "#include <assert.h>\n")
        self.expect("cli/main.c:4: ban: <assert.h>")

    def test_errno_is_for_io_alone(self):
        self.append("src/lsm/tree.c", "/* errno */\nint a(void)\n{\n    return errno;\n}\n")
        self.expect("src/lsm/tree.c:7: ban: errno")

    def test_allocation_is_for_io_and_database(self):
        self.append("src/lsm/tree.c", 'void *a = malloc(1);\nint b = x.free(1) + "free()"[0];\n')
        self.expect("src/lsm/tree.c:4: ban: malloc in lsm/")
        self.write("src/database/open.c", '#include "base/poison.h"\nvoid *a = malloc(1);\n')
        self.append("src/lsm/tree.c", "")
        self.expect()

    def test_unfinished_words(self):
        for word in lint.UNFINISHED:
            self.append("src/base/bytes.c", f"/* {word}: later */\n")
            self.expect("src/base/bytes.c:9: ban: unfinished: " + word)
        self.append("src/base/bytes.c", '/* "XX' + 'XXXX" is a template */\n')
        self.expect()

    def test_link_to_an_absent_file(self):
        self.append("docs/guide.md", "[a](absent.md) `[b](absent.md)`\n```\n[c](absent.md)\n```\n")
        self.expect("docs/guide.md:4: link: absent.md: there is no such file")

    def test_link_to_an_absent_heading(self):
        self.append("docs/guide.md", "[a](format.md#none)\n[b](https://x.org/none#none)\n")
        self.expect("docs/guide.md:4: link: format.md#none: there is no such heading")

    def test_spaces(self):
        self.append("src/base/bytes.c", "int a; \n\tint b;\nint c;")
        self.expect("9: space: a blank", "10: space: a tab", "11: space: no newline")


if __name__ == "__main__":
    unittest.main()
