"""codegen c: a header that C99 and C++11 compilers take without a word, and that works."""

import shlex

from support import *

SOURCE = pathlib.Path(os.environ.get("TACTUS_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
INCLUDE = str(SOURCE / "include")
CC = shlex.split(os.environ.get("CC", "cc"))

ODD = """\
# every type, "quotes", a \\ and ??= in a comment, ümlauts
collection thing {
  a u8
  id uuid
  b u16
  class u32 optional index
  c u64
  d u128
  e i8
  f i16
  g i32
  h i64
  i f32
  j f64
  k bool
  l time
  m decimal(4)
  n text(3)
  padding_2 bytes(5)
  spare reserved(3)
}
collection struct {
  n u8
}
"""


def compiles(source, name, flags, compiler=None):
    pathlib.Path(name).write_text(source)
    words = [*(compiler or CC), *flags, "-Wall", "-Wextra", "-pedantic", "-Werror"]
    words += ["-I", INCLUDE, "-I", "."]
    done = subprocess.run([*words, "-fsyntax-only", name], capture_output=True, text=True)
    expect(done.returncode == 0, done.stderr)


def test_the_header_is_clean_c_and_cxx():
    for number, schema in enumerate((SCHEMA, ODD)):
        pathlib.Path("schema").write_text(schema)
        header = succeed("codegen", "c", "schema")
        pathlib.Path("schema.h").write_bytes(header.raw_out)
        source = '#include "schema.h"\n#include "schema.h"\nint main(void) { return 0; }\n'
        for standard in ("c99", "c11", "c17"):
            compiles(source, "use.c", ["-std=" + standard])
        cxx = shutil.which("c++") or shutil.which("g++")
        if cxx:
            compiles(source.replace("(void)", "()"), "use.cc", ["-std=c++11"], [cxx])
        expect("padding_" in header.out or number == 0, header)


def test_what_it_prints_is_what_the_file_has():
    pathlib.Path("schema").write_text(ODD)
    header = succeed("codegen", "c", "schema").out
    for words in (
        "struct tactus_u128 id;", "uint32_t class_;", "char n[3];", "uint8_t padding_2[5];",
        "uint8_t spare[3];", "int64_t m;", "int64_t l;", "uint8_t k;", "uint64_t timestamp;",
        "#define THING_SHAPE UINT64_C(0x", "#define THING_SCHEMA", "#define STRUCT_SHAPE",
        "struct struct_ {", "padding_1[",
    ):
        expect(words in header, words)
    expect(header.count("padding_2[") == 1, header)


def test_shapes_depend_on_names_types_and_places():
    def shape(schema):
        pathlib.Path("schema").write_text(schema)
        for line in succeed("codegen", "c", "schema").out.splitlines():
            if "SALE_SHAPE UINT64_C" in line:
                return line.split()[-1]
        raise AssertionError("no shape")

    first = shape(SCHEMA)
    expect(first == shape(SCHEMA.replace("# a small shop", "# another comment")))
    expect(first != shape(SCHEMA.replace("quantity ", "number   ")))
    expect(first != shape(SCHEMA.replace("i32", "u32")))


def test_the_schema_comes_back_as_it_was():
    pathlib.Path("schema").write_text(ODD)
    pathlib.Path("schema.h").write_bytes(succeed("codegen", "c", "schema").raw_out)
    pathlib.Path("show.c").write_text(
        '#include <stdio.h>\n#include "schema.h"\n'
        "int main(void) { fputs(THING_SCHEMA, stdout); return 0; }\n"
    )
    subprocess.run([*CC, "-std=c99", "-I", INCLUDE, "-o", "show", "show.c"], check=True)
    shown = subprocess.run(["./show"], capture_output=True, check=True).stdout
    expect(shown.decode() == ODD, shown)


def test_big_objects_work():
    pathlib.Path("schema").write_text("collection big {\n  id u64\n  body bytes(4000)\n}\n")
    expect("uint8_t body[4000];" in succeed("codegen", "c", "schema").out)


def test_wrong_schemas_say_where():
    pathlib.Path("schema").write_text("collection a {\n  x u33\n}\n")
    expect("schema:2:" in fail(2, "codegen", "c", "schema").err)
    fail(2, "codegen", "c")
    fail(2, "codegen", "cobol", "schema")


if __name__ == "__main__":
    main()
