"""What the tests of the documentation share. The command under test is in $TACTUS, the tree in
$TACTUS_SOURCE, the compiler in $CC. A test that lacks what it needs exits with 77: skipped."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(os.environ.get("TACTUS_SOURCE", pathlib.Path(__file__).parents[2])).resolve()
CC = os.environ.get("CC") or "cc"
SKIPPED = 77


def command():
    """The command's path, or the end of the test."""
    path = os.environ.get("TACTUS") or shutil.which("tactus")
    if not path or not os.access(path, os.X_OK):
        print("skipped: $TACTUS is no command")
        sys.exit(SKIPPED)
    return os.path.abspath(path)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def blocks(path):
    """(line, language, comment before it, text) of each code block of a Markdown file."""
    found, lines = [], read(path).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and line.startswith("```"):
            before = lines[number - 2] if number > 1 else ""
            comment = re.fullmatch(r"<!-- (.*) -->", before)
            start = (number, line[3:].strip(), comment.group(1) if comment else "")
        elif start is not None and line == "```":
            found.append((*start, "\n".join(lines[start[0]:number - 1]) + "\n"))
            start = None
    return found


def run(words, **rest):
    """What the words print; a failure, with all that was said, if they exit with another than 0."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **rest)
    if done.returncode != 0:
        raise AssertionError(f"{words} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def compile_flags():
    sanitize = os.environ.get("TACTUS_SANITIZE")
    return [f"-fsanitize={sanitize}"] if sanitize else []


def main(tests):
    """Runs tests, each in a directory of its own; exits with 1 if one failed."""
    failed = 0
    for test in tests:
        with tempfile.TemporaryDirectory(prefix="tactus-docs-") as directory:
            os.chdir(directory)
            try:
                test()
                print("ok   ", test.__name__)
            except Exception:  # one failure must not hide the next
                failed += 1
                print("FAIL ", test.__name__)
                traceback.print_exc(limit=2)
            finally:
                os.chdir("/")
    sys.exit(1 if failed else 0)
