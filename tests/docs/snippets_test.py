#!/usr/bin/python3
"""What README and guide show is true: C compiles, commands print what is shown, links lead to
something, manual pages are clean and name functions that exist."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import support

TEXTS = ["README.md", "docs/guide.md"]

# What the guide's snippets are taken to have: they stand in a function.
PRELUDE = """\
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "sale.h"

void snippet(
    tactus_db *db, tactus_txn *txn, const tactus_collection *sales, struct tactus_error error
);
void snippet(
    tactus_db *db, tactus_txn *txn, const tactus_collection *sales, struct tactus_error error
)
{{
"""


def files(path):
    """Writes the files that a text shows with their names."""
    for _, _, comment, text in support.blocks(path):
        if comment.startswith("file: "):
            pathlib.Path(comment[len("file: "):]).write_text(text, encoding="utf-8")


def make_header():
    files("docs/guide.md")
    header = support.run([support.command(), "codegen", "c", "sale.tactus-schema"])
    pathlib.Path("sale.h").write_text(header, encoding="utf-8")
    return header


def compile_c(name, text):
    source = pathlib.Path(name + ".c")
    source.write_text(text, encoding="utf-8")
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-fsyntax-only", "-I."]
    support.run([support.CC, *flags, f"-I{support.ROOT}/include", str(source)])


def test_readme_shows_the_example():
    shown = [text for _, _, comment, text in support.blocks("README.md")
             if comment == "examples/c/first.c"]
    assert shown == [support.read("examples/c/first.c")], "README.md and examples/c/first.c differ"


def test_snippets_compile():
    make_header()
    count = 0
    for path in TEXTS:
        for line, language, comment, text in support.blocks(path):
            if language != "c" or comment == "codegen":
                continue
            if "#include" not in text:
                text = f'{PRELUDE}#line {line + 1} "{path}"\n{text}}}}}\n'
            compile_c(f"{path.replace('/', '_')}_{line}", text)
            count += 1
    assert count >= 5, count


def test_codegen_prints_what_is_shown():
    header = make_header()
    shown = [block[3] for block in support.blocks("docs/guide.md") if block[2] == "codegen"]
    assert len(shown) == 1 and shown[0] in header, header


def test_the_example_runs():
    archive = os.environ.get("TACTUS_ARCHIVE", "")
    if not os.path.exists(archive):
        print("       (not linked: no $TACTUS_ARCHIVE)")
        return
    libraries = support.run(["pkg-config", "--libs", "liburing", "libxxhash"]).split()
    for source in sorted((support.ROOT / "examples/c").glob("*.c")):
        words = [support.CC, "-std=gnu11", *support.compile_flags(), f"-I{support.ROOT}/include"]
        support.run([*words, str(source), archive, *libraries, "-o", "example"])
        shown = support.run(["./example"])
        assert shown == support.run(["./example"]), "a second run says something else"
        assert shown == "Oulu 214633\n", shown


def test_commands_print_what_is_shown():
    """A block marked `run`: lines that begin with `$ ` are run, what follows is their output."""
    for path in TEXTS:
        files(path)
        os.makedirs("bin", exist_ok=True)
        if not os.path.exists("bin/tactus"):
            os.symlink(support.command(), "bin/tactus")
        environment = {**os.environ, "PATH": os.path.abspath("bin") + ":" + os.environ["PATH"]}
        for line, _, comment, text in support.blocks(path):
            if comment != "run":
                continue
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                words, _, wanted = part.partition("\n")
                found = support.run(["bash", "-c", words], env=environment)
                assert found == wanted, f"{path}:{line}: {words}\nwanted:\n{wanted}found:\n{found}"


def test_links_lead_somewhere():
    sys.path.insert(0, str(support.ROOT / "tools"))
    sys.dont_write_bytecode = True
    import lint  # the same check as the gate's

    findings = []
    lint.check_links(
        lint.find_files(str(support.ROOT)),
        lambda file, number, rule, what: findings.append(f"{file.path}:{number}: {what}"),
        str(support.ROOT),
    )
    assert not findings, "\n".join(findings)


def test_manual_pages_are_clean():
    pages = sorted((support.ROOT / "docs/man").glob("*.[1-9]"))
    assert len(pages) >= 2, pages
    if shutil.which("mandoc") is None:
        print("       (not linted: mandoc is missing)")
        return
    for page in pages:
        words = ["mandoc", "-Tlint", "-Wwarning", str(page)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_manual_pages_name_functions_that_exist():
    header = support.read("include/tactus.h")
    for page in (support.ROOT / "docs/man").glob("*.3"):
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"^\.(?:Fn|Nm) (\w+)", text, flags=re.MULTILINE):
            assert re.search(rf"\b{name}\b", header), f"{page.name}: {name} is not in tactus.h"
        constants = " ".join(re.findall(r"^\.(?:It )?Dv .*", text, flags=re.MULTILINE))
        for name in re.findall(r"\bTACTUS_\w+", constants):
            assert re.search(rf"\b{name}\b", header), f"{page.name}: {name} is not in tactus.h"


def test_texts_name_what_the_header_has():
    header = support.read("include/tactus.h")
    for path in [*TEXTS, "docs/tuning.md"]:
        for name in re.findall(r"`((?:tactus|TACTUS)_\w*[a-zA-Z0-9])`", support.read(path)):
            known = re.search(rf"\b{name}\b", header) or name in ("TACTUS_IO",)
            assert known, f"{path}: {name} is not in tactus.h"


if __name__ == "__main__":
    support.command()
    support.main([
        test_readme_shows_the_example, test_snippets_compile, test_codegen_prints_what_is_shown,
        test_the_example_runs, test_commands_print_what_is_shown, test_links_lead_somewhere,
        test_manual_pages_are_clean, test_manual_pages_name_functions_that_exist,
        test_texts_name_what_the_header_has,
    ])
