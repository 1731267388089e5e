#!/usr/bin/env python3
"""What compaction writes and reads, and how many sorted runs a reader looks into, by policy.

One tree of evenly spread keys, which lie in [0, 1). A table is (lo, hi, n): n records spread
evenly over [lo, hi). The unit of n is one bar's records, which is what a table holds: so a bar's
flush is one table. Two ways to bring runs down are compared:

  whole    a group of runs is merged down at once when it is complete: the design's estimate
  slices   it goes down in slices (lsm.md, R16; src/lsm/slice.h), one table's worth of records a
           bar, each merged with the tables of the next level that it overlaps; a table that a
           slice has taken only the front of stays, trimmed. Levels with one run choose the table
           with the least overlap, as src/lsm/compaction_pick.h does

usage: compaction_sim.py [BARS]     a row a policy, at BARS / 10 and at BARS bars
                                    (default 380: 100 million records of 262,144 a bar)

Columns: writes and reads a record brings, the sorted runs that a point read may have to look into
(average and most), and the most tables that compactions read and wrote in one bar (peak)."""
import bisect
import sys

LEVELS = 7
TINY = 1e-9


def cut(parts):
    """Merges tables of several runs into one run of tables that hold 1.0 each."""
    points = sorted({p for lo, hi, _ in parts for p in (lo, hi)})
    slope = dict.fromkeys(points, 0.0)
    for lo, hi, n in parts:
        slope[lo] += n / (hi - lo)
        slope[hi] -= n / (hi - lo)
    out, density, start, held = [], 0.0, points[0], 0.0
    for a, b in zip(points, points[1:]):
        density += slope[a]
        while density > TINY and held + density * (b - a) >= 1.0 - TINY:
            x = a + (1.0 - held) / density
            out.append((start, x, 1.0))
            start = a = x
            held = 0.0
            if b - a < 1e-12:
                break
        if density > TINY:
            held += density * (b - a)
    if held > 1e-6:
        out.append((start, points[-1], held))
    return out


def overlap(run, lo, hi):
    """The places in a run of the tables that overlap (lo, hi)."""
    first = bisect.bisect_right(run, lo + TINY, key=lambda t: t[1])
    return first, max(first, bisect.bisect_left(run, hi - TINY, key=lambda t: t[0]))


def end_of_slice(runs, worth):
    """The key below which these runs hold `worth` tables' records."""
    points = sorted({p for run in runs for t in run for p in t[:2]})
    slope = dict.fromkeys(points, 0.0)
    for run in runs:
        for lo, hi, n in run:
            slope[lo] += n / (hi - lo)
            slope[hi] -= n / (hi - lo)
    density, held = 0.0, 0.0
    for a, b in zip(points, points[1:]):
        density += slope[a]
        if held + density * (b - a) >= worth - TINY:
            return a + (worth - held) / density if density > TINY else b
        held += density * (b - a)
    return points[-1]


def split(run, x):
    """What of a run lies below x, and what above: the table in between is trimmed."""
    below, above = [], []
    for lo, hi, n in run:
        if hi <= x + TINY:
            below.append((lo, hi, n))
        elif lo >= x - TINY:
            above.append((lo, hi, n))
        else:
            part = n * (x - lo) / (hi - lo)
            below.append((lo, x, part))
            above.append((x, hi, n - part))
    return below, above


class Tree:
    """runs: how many come together in each of the first levels; all others hold one."""

    def __init__(self, runs, growth, slices):
        self.runs, self.growth, self.slices = runs, growth, slices
        self.going = [[] for _ in runs]  # runs of the group that goes down, of each level
        self.coming = [[] for _ in runs]  # and of the one that comes together
        self.target = [None for _ in runs]  # the run of the next level that a group becomes
        self.levels = [[] for _ in range(LEVELS)]  # of one run each, below the others
        self.written = self.read = self.peak = 0.0

    def merge_into(self, level, parts, moves):
        """Merges parts into level `level` of those with one run."""
        lo, hi = min(p[0] for p in parts), max(p[1] for p in parts)
        run = self.levels[level]
        first, last = overlap(run, lo, hi)
        olds = run[first:last]
        if moves and not olds and len(parts) == 1:
            run[first:first] = parts
            return
        new = cut(parts + olds)
        self.read += sum(t[2] for t in olds) + (sum(t[2] for t in parts) if moves else 0)
        self.written += sum(t[2] for t in new)
        run[first:last] = new

    def goes_down(self, index, worth):
        """So much of the group at level `index` goes down, or all of it."""
        group = self.going[index]
        left = sum(t[2] for run in group for t in run)
        x = end_of_slice(group, worth) if worth < left - TINY else 2.0
        pairs = [split(run, x) for run in group]
        parts = [t for below, _ in pairs for t in below]
        self.going[index] = [above for _, above in pairs if above]
        self.read += sum(t[2] for t in parts)
        if index + 1 == len(self.runs):
            self.merge_into(0, parts, False)
        else:
            if self.target[index] is None:
                self.target[index] = []
                self.coming[index + 1].append(self.target[index])
            new = cut(parts)
            self.written += sum(t[2] for t in new)
            self.target[index] += new
        if not self.going[index]:
            self.target[index] = None

    def bring_down(self, index):
        is_whole = index == 0 or self.target[index - 1] is None  # nothing is added to its runs
        if not self.going[index] and len(self.coming[index]) >= self.runs[index] and is_whole:
            self.going[index], self.coming[index] = self.coming[index], []
        if self.going[index]:
            self.goes_down(index, 1.0 if self.slices else 1e9)

    def limit(self, level):
        above = 1
        for runs in self.runs:
            above *= runs
        return above * self.growth ** (level + 1)

    def pick(self, level):
        """One table goes down of a level with one run that is at its limit."""
        run = self.levels[level]
        if sum(t[2] for t in run) < self.limit(level) - TINY or not run:
            return
        below = self.levels[level + 1]
        counts = [overlap(below, t[0], t[1]) for t in run]
        best = min(range(len(run)), key=lambda i: (counts[i][1] - counts[i][0], i))
        self.merge_into(level + 1, [run.pop(best)], True)

    def bar(self):
        before = self.written + self.read
        for index in range(len(self.runs)):
            self.bring_down(index)
        for level in range(LEVELS - 1):
            self.pick(level)
        flush = (0.0, 1.0, 1.0)
        if self.runs:
            self.coming[0].append([flush])
            self.written += 1.0
        else:
            self.merge_into(0, [flush], False)
        self.peak = max(self.peak, self.written + self.read - before)

    def look(self):
        tiers = sum(len(runs) for runs in self.going + self.coming)
        return tiers + sum(1 for level in self.levels if level)


POLICIES = [
    ("1", [], False),
    ("8,1 whole", [8], False),
    ("8,1 slices", [8], True),
    ("4,4 whole", [4, 4], False),
    ("4,4 slices", [4, 4], True),
    ("8,8 whole", [8, 8], False),
    ("8,8 slices", [8, 8], True),
]


def main():
    bars = int(sys.argv[1]) if len(sys.argv) > 1 else 380
    stops = (max(1, bars // 10), bars)
    head = "".join(f"| {stop:5d} bars: writes  reads  runs avg / most  peak " for stop in stops)
    print(f"{'--runs':12s}" + head)
    for name, runs, slices in POLICIES:
        tree, looks, row = Tree(runs, 8, slices), [], f"{name:12s}"
        for bar in range(1, bars + 1):
            tree.bar()
            looks.append(tree.look())
            if bar not in stops:
                continue
            row += f"| {tree.written / bar:18.1f} {tree.read / bar:6.1f} "
            row += f"{sum(looks) / bar:9.1f} / {max(looks):4d} {tree.peak:5.0f} "
        print(row)


main()
