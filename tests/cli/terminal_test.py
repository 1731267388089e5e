"""What is different on a terminal: tables, colour, a progress bar for what takes over a second."""

import pty
import select
import time

from support import *


def read_all(terminal, process):
    """What the process writes to the terminal until it ends."""
    text = b""
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.1)
        if ready:
            try:
                more = os.read(terminal, 65536)
            except OSError:
                break
            if not more:
                break
            text += more
        elif process.poll() is not None:
            break
    return text.decode(errors="replace")


def test_a_query_is_a_table_with_a_bold_header():
    create()
    succeed("import", "shop.tactus", "sale", given=csv(1, 5))
    for environment, bold in (({}, True), ({"NO_COLOR": "1"}, False)):
        terminal, other = pty.openpty()
        process = start("query", "shop.tactus", "sale", stdout=other, environment=environment)
        text = read_all(terminal, process)
        expect(process.wait(60) == 0)
        expect(("\033[1m" in text) == bold, text)
        expect(len(text.strip().splitlines()) == 6 and "country" in text, text)
        os.close(terminal)
        os.close(other)


def test_an_import_shows_a_bar_after_a_second_and_takes_it_away():
    create()
    terminal, other = pty.openpty()
    process = start("import", "shop.tactus", "sale", stdin=subprocess.PIPE, stderr=other)
    for first in range(1, 1000, 100):
        rows = csv(first, first + 99)
        process.stdin.write((rows if first == 1 else rows.split("\n", 1)[1]).encode())
        process.stdin.flush()
        time.sleep(0.2)
    process.stdin.close()
    text = read_all(terminal, process)
    expect(process.wait(60) == 0, text)
    expect("\r\033[K" in text and "rows/s" in text, text)
    expect("imported 1000 rows" in text.split("\033[K")[-1], text)


def test_a_bar_of_a_file_shows_how_far_it_is():
    create()
    pathlib.Path("rows.csv").write_text(csv(1, 200_000))
    terminal, other = pty.openpty()
    words = ["shop.tactus", "sale", "rows.csv", "--transaction", "16"]
    process = start("import", *words, stderr=other)
    begin, text = time.time(), ""
    while time.time() < begin + 60 and "left" not in text and process.poll() is None:
        ready, _, _ = select.select([terminal], [], [], 0.1)
        text += os.read(terminal, 65536).decode() if ready else ""
    if process.poll() is not None and time.time() < begin + 2:
        return  # too fast for a bar
    process.terminate()
    read_all(terminal, process)
    process.wait(60)
    expect("%" in text and "s left" in text, text)
    verify()


if __name__ == "__main__":
    main()
