#!/usr/bin/python3
"""The tables of docs/format.md and the structs of the code have the same offsets and sizes: each
table under `<!-- struct NAME HEADER -->` covers its struct byte by byte."""
import pathlib
import re
import sys

import support

PROGRAM = """\
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
{includes}

/* Headers assert in inline functions; nothing here calls any. */
_Noreturn void assert_failed(const char *fact, const char *file, int line, const char *function)
{{
    (void)fact, (void)file, (void)line, (void)function;
    abort();
}}

int main(void)
{{
{prints}
    return 0;
}}
"""


def tables():
    """struct name -> (header, [(offset, bytes, field)])"""
    found = {}
    text = support.read("docs/format.md")
    for name, header, rows in re.findall(
        r"^<!-- struct (\w+) (\S+) -->\n((?:\|.*\n)+)", text, flags=re.MULTILINE
    ):
        fields = re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \|", rows, flags=re.MULTILINE)
        assert len(fields) == rows.count("\n") - 2, f"{name}: a row is not OFFSET | BYTES | FIELD"
        found[name] = (header, [(int(offset), int(size), field) for offset, size, field in fields])
    return found


def test_tables_cover_their_structs():
    for name, (_, fields) in tables().items():
        end = 0
        for offset, size, field in fields:
            assert offset == end, f"{name}.{field}: at {offset}, and the one before ends at {end}"
            end = offset + size


def test_tables_are_the_structs_of_the_code():
    known = tables()
    assert set(known) >= {
        "superblock_disk", "block_header", "block_reference", "trailer_reference",
        "journal_entry_disk", "manifest_entry",
    }, known.keys()
    includes = "\n".join(sorted({f'#include "{header}"' for header, _ in known.values()}))
    prints = []
    for name, (_, fields) in known.items():
        prints.append(f'    printf("{name} %zu\\n", sizeof(struct {name}));')
        for _, _, field in fields:
            prints.append(
                f'    printf("{name}.{field} %zu %zu\\n", offsetof(struct {name}, {field}), '
                f"sizeof(((struct {name} *)0)->{field}));"
            )
    source = pathlib.Path("format.c")
    source.write_text(PROGRAM.format(includes=includes, prints="\n".join(prints)), encoding="utf-8")
    flags = ["-std=c17", "-D_GNU_SOURCE", f"-I{support.ROOT}/src", f"-I{support.ROOT}/include"]
    support.run([support.CC, *flags, str(source), "-o", "format"])
    said = support.run(["./format"]).split("\n")
    wanted = []
    for name, (_, fields) in known.items():
        wanted.append(f"{name} {fields[-1][0] + fields[-1][1]}")
        wanted += [f"{name}.{field} {offset} {size}" for offset, size, field in fields]
    for of_text, of_code in zip(wanted, said):
        assert of_text == of_code, f"docs/format.md says `{of_text}`, the code `{of_code}`"


def test_the_version_is_the_code_s():
    title = re.search(r"^# The data file, format (\d+)", support.read("docs/format.md"))
    code = re.search(r"SUPERBLOCK_VERSION = (\d+)", support.read("src/storage/superblock.h"))
    assert title.group(1) == code.group(1), (title.group(1), code.group(1))


def test_the_state_has_as_many_counters():
    """Section 6 counts them, and so does struct forest_counters."""
    struct = re.search(
        r"struct forest_counters \{(.*?)\n\};", support.read("src/forest/forest_state.h"), re.DOTALL
    )
    count = len(re.findall(r"^    uint64_t \w+;", struct.group(1), flags=re.MULTILINE))
    assert f"| 8 | {count} · 8 |" in support.read("docs/format.md"), count


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    support.main([
        test_tables_cover_their_structs, test_tables_are_the_structs_of_the_code,
        test_the_version_is_the_code_s, test_the_state_has_as_many_counters,
    ])
