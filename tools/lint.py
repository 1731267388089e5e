#!/usr/bin/python3
"""Checks the rules of the house that no compiler checks. Standard library only.

    tools/lint.py [--root DIRECTORY] [--no-compile] [--figures]

Prints one `file:line: rule: what` per finding; exit status 1 if there is any. What is checked:

    floor      src/ includes only downwards, by the table below; cli/, bench/, bindings/ and
               examples/ see tactus.h alone; of them, cli/ sees bench/, and bench/peers/ cli/
    cycle      no header includes itself over others
    alone      each header compiles by itself
    unused     each header of src/ is included by somebody
    guard      TACTUS_FLOOR_FILE_H
    order      a .c includes its own header first, and base/poison.h last (src/ always)
    length     lines, functions, files; a function with `/* long: why */` may be longer, but there
               may be only LONG_MAX of those
    ban        comments with two slashes, <assert.h>, errno outside src/io, allocation where there
               is none, words that say that something is unfinished
    link       links in *.md lead to a file, and to a heading of it
    space      no tab, no blank at a line's end, a newline at the file's end
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

# What each floor may include, besides itself; a new edge is a change to this table.
FLOORS = {
    "base": set(),
    "io": {"base"},
    "storage": {"io", "base"},
    "lsm": {"storage", "base"},
    "forest": {"lsm", "storage", "base"},
    "query": {"forest", "lsm", "base"},
    "database": {"query", "forest", "lsm", "storage", "io", "base"},
}
PUBLIC_HEADER_USERS = {"src/base/status.h"}  # and all of database/
OUTSIDE = {"cli", "bench", "bindings", "examples"}  # users of the library: tactus.h alone
ALLOCATING_FLOORS = {"io", "database"}

COLUMNS_MAX = 100
FILE_LINES_MAX = 1000
TEST_LINES_MAX = 1500
FUNCTION_LINES_MAX = 70
LONG_MAX = 0  # functions with a reason to be longer: this number only falls

UNFINISHED = ["FIX" + "ME", "TO" + "DO", "X" + "XX", "HA" + "CK", "st" + "ub"]
UNFINISHED_RE = re.compile(r"\b(" + "|".join(UNFINISHED) + r")\b|\bnot " + r"implemented\b")
ALLOCATION_RE = re.compile(
    r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|strdup"
    r"|strndup|asprintf|vasprintf|getline|getdelim|mmap|munmap)\s*\("
)
ERRNO_RE = re.compile(r"\berrno\b")
INCLUDE_RE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')

SOURCE_TOP = ["include", "src", "cli", "tests", "tools", "bench", "bindings", "examples", "cmake"]
HEADER_TOP = ("include", "src", "cli", "tests", "bench")  # whose headers have rules
SKIPPED = {".git", "build", "__pycache__", "corpus", "golden", "seeds"}


class File:
    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8", errors="replace", newline="") as file:
            self.text = file.read()
        self.lines = self.text.split("\n")
        if self.lines[-1] == "":
            self.lines.pop()
        self.folder, self.name = os.path.split(path)
        self.is_c = path.endswith(".c")
        self.is_h = path.endswith(".h")
        self.floor = path.split("/")[1] if path.startswith("src/") and path.count("/") > 1 else None
        self.top = path.split("/")[0]
        self.is_template = path.endswith("_template.h")
        self.code = strip(self.text).split("\n") if self.is_c or self.is_h else []


def strip(text):
    """C without what stands in comments, strings and characters; the lines stay. The two slashes
    of a banned comment stay, too, so that they are found. Names of includes stay whole."""
    result = []
    index = 0
    at_include = False
    while index < len(text):
        two = text[index:index + 2]
        char = text[index]
        if two == "/*":
            end = text.find("*/", index + 2)
            end = len(text) if end < 0 else end + 2
            result.append(" " + "\n" * text.count("\n", index, end))
            index = end
        elif two == "//":
            end = text.find("\n", index)
            end = len(text) if end < 0 else end
            result.append("//")
            index = end
        elif char in "\"'" and not at_include:
            end = index + 1
            while end < len(text) and text[end] != char and text[end] != "\n":
                end += 2 if text[end] == "\\" else 1
            result.append(char + char)
            index = min(end + 1, len(text))
        else:
            if char == "\n":
                at_include = False
            elif char == "#":
                at_include = text[index:index + 40].replace(" ", "").startswith("#include")
            result.append(char)
            index += 1
    return "".join(result)


def find_files(root):
    paths = []
    for folder, folders, names in os.walk(root):
        relative = os.path.relpath(folder, root)
        relative = "" if relative == "." else relative + "/"
        folders[:] = sorted(
            name for name in folders
            if name not in SKIPPED and not name.startswith("build-") and not name.startswith(".")
        )
        for name in sorted(names):
            path = relative + name
            top = path.split("/")[0]
            is_source = top in SOURCE_TOP and name.endswith((".c", ".h", ".py", ".sh", ".cmake"))
            if is_source or name in ("CMakeLists.txt", "Makefile") or name.endswith(".md"):
                paths.append(path)
    return [File(root, path) for path in paths]


def includes(file):
    """(line number, name, is quoted) of each include."""
    for number, line in enumerate(file.code, 1):
        match = INCLUDE_RE.match(line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is not None


def check_floors(files, report):
    known = {file.path for file in files}
    for file in files:
        for number, name, quoted in includes(file):
            if name == "assert.h":
                report(file, number, "ban", "<assert.h>: base/assert.h is the one that is meant")
            if not quoted:
                if name == "tactus.h" and file.top in ("src", "cli", "bench"):
                    report(file, number, "floor", "tactus.h is included in quotes")
                continue
            if file.floor is not None:
                check_floor_include(file, number, name, known, report)
            elif file.top in OUTSIDE:
                beside = f"{file.folder}/{name}" in known
                if name != "tactus.h" and not beside and not may_see(file, name):
                    report(file, number, "floor", f"{file.top}/ may not see {name}")


def may_see(file, name):
    """bench/ has the workloads, cli/ the command over them, bench/peers/ a program over both."""
    folders = {"cli": ("cli/", "bench/"), "bench": ("bench/",), "bench/peers": ("bench/", "cli/")}
    return name.startswith(folders.get(file.folder, ())) and not name.startswith("bench/peers/")


def check_floor_include(file, number, name, known, report):
    if name == "tactus.h":
        if file.floor != "database" and file.path not in PUBLIC_HEADER_USERS:
            report(file, number, "floor", "tactus.h is for base/status.h and database/ alone")
        return
    floor = name.split("/")[0]
    if f"src/{name}" not in known:
        report(file, number, "floor", f"there is no src/{name}")
    elif floor != file.floor and floor not in FLOORS.get(file.floor, set()):
        report(file, number, "floor", f"{file.floor}/ may not include {floor}/")


def check_cycles(files, report):
    headers = {file.path[len("src/"):]: file for file in files if file.floor and file.is_h}
    edges = {
        path: [name for _, name, quoted in includes(file) if quoted and name in headers]
        for path, file in headers.items()
    }
    state = {}  # absent: not met; 1: on the way; 2: done

    def visit(path, way):
        state[path] = 1
        for name in edges[path]:
            if state.get(name) == 1:
                cycle = way[way.index(name):] + [name]
                report(headers[path], 1, "cycle", " > ".join(cycle))
            elif name not in state:
                visit(name, way + [name])
        state[path] = 2

    for path in sorted(edges):
        if path not in state:
            visit(path, [path])


def check_unused(files, report):
    named = {name for file in files for _, name, _ in includes(file)}
    for file in files:
        if file.floor and file.is_h and file.path[len("src/"):] not in named:
            report(file, 1, "unused", "no file includes this header")


def check_alone(files, report, root):
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        print("lint: no compiler: that headers compile alone was not checked", file=sys.stderr)
        return
    headers = [
        file for file in files
        if file.is_h and not file.is_template and file.top in HEADER_TOP
    ]

    def compile_one(file):
        command = [
            compiler, "-std=c17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
            "-Isrc", "-Iinclude", "-Itests", "-I.", "-x", "c", "-",
        ]
        text = f'#include "{file.path}"\nextern int lint_unit_is_not_empty;\n'
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, cwd=root, check=False
        )
        first = next((line for line in done.stderr.split("\n") if "error" in line), "")
        return file, done.returncode, first

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for file, status, first in pool.map(compile_one, headers):
            if status != 0:
                report(file, 1, "alone", f"does not compile by itself: {first}")


def check_guards(files, report):
    for file in files:
        if not file.is_h or file.is_template or file.top not in HEADER_TOP:
            continue
        if file.top == "include":
            wanted = "TACTUS_H"
        else:
            path = file.path[len("src/"):] if file.top == "src" else file.path
            wanted = "TACTUS_" + re.sub(r"[^A-Z0-9]", "_", path.upper())
        code = [line.strip() for line in file.code if line.strip()]
        short = wanted.replace("TACTUS_TESTS_SUPPORT_", "TACTUS_TESTS_")
        if code[:2] == [f"#ifndef {short}", f"#define {short}"]:
            wanted = short
        if code[:2] != [f"#ifndef {wanted}", f"#define {wanted}"] or code[-1] != "#endif":
            report(file, 1, "guard", f"the guard is not {wanted}, or not around all of it")


def check_order(files, report):
    known = {file.path for file in files}
    for file in files:
        if not file.is_c:
            continue
        all_includes = [(number, name) for number, name, quoted in includes(file) if quoted]
        names = [name for _, name, _ in includes(file)]
        if "base/poison.h" in names:
            if names[-1] != "base/poison.h":
                report(file, 1, "order", "base/poison.h is not the last include")
        elif file.floor is not None:
            report(file, 1, "order", "base/poison.h is not included")
        own = file.path[:-2] + ".h"
        if own in known and file.top in ("src", "cli", "bench"):
            wanted = own[len("src/"):] if file.top == "src" else file.name[:-2] + ".h"
            if not all_includes or names[0] not in (wanted, own):
                report(file, 1, "order", f"{wanted} is not the first include")


def functions(file):
    """(first line of the body, last line, text of head and body) of each function definition:
    formatted code has its braces alone in the first column."""
    start = None
    for number, line in enumerate(file.code, 1):
        if line.rstrip() == "{":
            start = number
        elif line.rstrip() == "}" and start is not None:
            head = start - 1
            while head > 0 and file.lines[head - 1].strip() != "":
                head -= 1
            yield start, number, "\n".join(file.lines[head:number])
            start = None


def check_lengths(files, report, figures):
    for file in files:
        columns_checked = not file.path.endswith(".md")
        for number, line in enumerate(file.lines, 1):
            if columns_checked and len(line) > COLUMNS_MAX:
                report(file, number, "length", f"{len(line)} columns, more than {COLUMNS_MAX}")
        is_test = file.top in ("tests", "bench")
        lines_max = TEST_LINES_MAX if is_test else FILE_LINES_MAX
        if len(file.lines) > lines_max and columns_checked:
            report(file, 1, "length", f"{len(file.lines)} lines, more than {lines_max}")
        if not file.is_c and not file.is_h:
            continue
        figures["files"] += 1
        figures["lines"] += len(file.lines)
        for start, end, text in functions(file):
            length = end - start + 1
            if file.floor:
                figures["functions"] += 1
                figures["asserts"] += len(re.findall(r"\bassert(?:_slow)?\(", text))
            if length <= FUNCTION_LINES_MAX:
                continue
            if re.search(r"/\* long: \w", text):
                figures["long"] += 1
                if figures["long"] > LONG_MAX:
                    report(
                        file, start, "length",
                        f"one more function with a reason to be long; {LONG_MAX} may be",
                    )
            else:
                report(
                    file, start, "length",
                    f"a function of {length} lines, more than {FUNCTION_LINES_MAX}",
                )


def check_bans(files, report):
    for file in files:
        for number, line in enumerate(file.lines, 1):
            match = UNFINISHED_RE.search(line)
            if match:
                report(file, number, "ban", f"unfinished: {match.group(0)}")
        for number, line in enumerate(file.code, 1):
            if "//" in line and not line.lstrip().startswith("#"):
                report(file, number, "ban", "a comment with two slashes")
            if file.floor and file.floor != "io" and ERRNO_RE.search(line):
                report(file, number, "ban", "errno outside src/io")
            if file.floor and file.floor not in ALLOCATING_FLOORS:
                match = ALLOCATION_RE.search(line)
                if match:
                    report(file, number, "ban", f"{match.group(1)} in {file.floor}/")


def check_spaces(files, report):
    for file in files:
        if file.text and not file.text.endswith("\n"):
            report(file, len(file.lines), "space", "no newline at the end")
        for number, line in enumerate(file.lines, 1):
            if line != line.rstrip():
                report(file, number, "space", "a blank at the end of the line")
            if "\t" in line and file.name != "Makefile" and not file.path.endswith(".md"):
                report(file, number, "space", "a tab")


def without_code(text):
    """Markdown whose code blocks and code spans are blanked, the lines kept."""
    text = re.sub(
        r"^(```|~~~).*?^\1", lambda match: "\n" * match.group(0).count("\n"), text,
        flags=re.MULTILINE | re.DOTALL,
    )
    return re.sub(r"`[^`\n]*`", lambda match: "`" + match.group(0).strip("`") + "`", text)


def anchors(text):
    """The anchors of a Markdown file's headings, as GitHub makes them."""
    found = {}
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, flags=re.MULTILINE):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = found.get(slug, -1) + 1
        found[slug] = count
        if count > 0:
            found[f"{slug}-{count}"] = 0
    return set(found) | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def check_links(files, report, root):
    for file in files:
        if not file.path.endswith(".md"):
            continue
        text = re.sub(r"`[^`\n]*`", "", without_code(file.text))
        for number, line in enumerate(text.split("\n"), 1):
            for target in re.findall(r"\]\(([^)\s]+)[^)]*\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                full = os.path.normpath(os.path.join(root, file.folder, path)) if path else \
                    os.path.join(root, file.path)
                if not os.path.exists(full):
                    report(file, number, "link", f"{target}: there is no such file")
                elif anchor and full.endswith(".md"):
                    with open(full, encoding="utf-8") as other:
                        if anchor.lower() not in anchors(other.read()):
                            report(file, number, "link", f"{target}: there is no such heading")


def lint(root, compile_headers):
    """All findings, as text, and the figures."""
    files = find_files(root)
    findings = []
    figures = {"files": 0, "lines": 0, "functions": 0, "asserts": 0, "long": 0}

    def report(file, number, rule, what):
        findings.append((file.path, number, f"{file.path}:{number}: {rule}: {what}"))

    check_floors(files, report)
    check_cycles(files, report)
    check_unused(files, report)
    check_guards(files, report)
    check_order(files, report)
    check_lengths(files, report, figures)
    check_bans(files, report)
    check_spaces(files, report)
    check_links(files, report, root)
    if compile_headers:
        check_alone(files, report, root)
    return [text for _, _, text in sorted(findings)], figures


def main():
    parser = argparse.ArgumentParser(description="Checks the rules that no compiler checks.")
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", default=here)
    parser.add_argument("--no-compile", action="store_true", help="leave out `alone`")
    parser.add_argument("--figures", action="store_true", help="print counts, too")
    arguments = parser.parse_args()
    findings, figures = lint(os.path.abspath(arguments.root), not arguments.no_compile)
    for finding in findings:
        print(finding)
    if arguments.figures:
        ratio = figures["asserts"] / max(1, figures["functions"])
        print(
            f"{figures['files']} C files, {figures['lines']} lines; src/: {figures['functions']} "
            f"functions, {ratio:.1f} asserts each, {figures['long']} long with a reason"
        )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
