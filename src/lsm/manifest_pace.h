/* How much of the manifest log a half-bar compacts, and so how long the log can get: arithmetic.
 *
 * The log is a queue of blocks of up to E events. At the end of each half-bar compactions append at
 * most e events, then the log compacts its k oldest blocks: what is still the newest event of a
 * live table is appended once more, the rest is dropped, the blocks are released. Last, a capture
 * may close the open block before it is full. A half-bar without compactions leaves the log alone;
 * half-bars are counted without these, and no capture closes a block twice in one.
 *
 *   T = ceil(tables_max / E)   blocks of a log that holds nothing but one event a table
 *   A = ceil(e / E) + 1        blocks that a half-bar adds: its events', and a capture's
 *   C = 2 A                    most blocks that a half-bar compacts
 *   k = min(C, max(0, closed blocks - 2 ceil(live tables / E)))
 *
 * So a log of which at most half can be garbage is left alone, and one that is longer is cut back
 * to that: its length follows the live tables, and each event is copied about once on average. k
 * depends on the length and the live tables alone: the same history gives the same blocks.
 *
 * Bound. L is the number of closed blocks when k is decided, `live` <= tables_max.
 *
 *   P1  n events, appended with p closings before a block was full, close at most ceil(n / E) + p
 *       blocks, whatever the open block held (at most E - 1 events).
 *   P2  A half-bar adds at most A to L: it closes ceil((e + k E) / E) + 1 blocks at most, and drops
 *       k.
 *   P3  If L >= H = 2 T + C, then k = C: full speed.
 *   P4  Full speed begins at L <= S = H - 1 + A, by P2: the half-bar before had L <= H - 1.
 *   P5  From L = P on, after j half-bars at full speed: of the P blocks min(P, j C) are gone. Each
 *       table that lived in them was copied at most once, tables_max of them at most, and at most
 *       j C E events. Copying blocks that are newer than the P adds none, as in P2. So
 *       L <= P + min(j A, T - j A) <= P + T / 2 as long as j C <= P.
 *   P6  After ceil(P / C) half-bars the P blocks are gone, and L <= T + A ceil(P / C)
 *       <= T + P / 2 + A <= S, if P <= S, as S = 2 T + 3 A - 1 and A >= 2. P5 begins anew.
 *   P7  Hence L <= S + T / 2 always. Before blocks are dropped, ceil(e / E) = A - 1 more were
 *       closed; one is open. Together 2 T + T / 2 + 4 A - 1, which is blocks_max.
 *
 * A file that anyone made may begin with L = blocks_max and all of it live. P5 and P6 hold for
 * P = blocks_max, too; so `ring_blocks`, T / 2 + A more, is what memory has room for. */
#ifndef TACTUS_LSM_MANIFEST_PACE_H
#define TACTUS_LSM_MANIFEST_PACE_H

#include <stdint.h>

/* What a table that a compaction reads costs, updated and removed, and one that it writes. */
enum { MANIFEST_EVENTS_IN = 2, MANIFEST_EVENTS_OUT = 1 };

struct manifest_pace_options {
    uint32_t entries_max; /* events a block: manifest_block_entries_max() */
    uint32_t tables_max;
    uint32_t tree_count;
    uint32_t half_bar_tables; /* most that compactions of one tree which end together read; they
                               * write no more */
};

struct manifest_pace {
    uint32_t entries_max;    /* E */
    uint32_t tables_max;     /* most that live between two half-bars */
    uint64_t events_max;     /* e: of a half-bar */
    uint64_t table_blocks;   /* T */
    uint64_t append_blocks;  /* A */
    uint64_t compact_blocks; /* C */
    uint64_t log_blocks_max; /* P7: closed and open ones; what a checkpoint names is fewer */
    uint64_t ring_blocks;    /* most that are closed at once, whatever file was opened */
};

struct manifest_pace manifest_pace_of(const struct manifest_pace_options *options);

/* k: the blocks that a half-bar compacts, of a log of so many closed blocks and live tables. */
uint64_t manifest_pace_compact(
    const struct manifest_pace *pace, uint64_t blocks_closed, uint64_t tables_live
);

/* Blocks that a half-bar acquires at most, if compactions append up to `events` and the log
 * compacts by its pace, however full the open block is. */
uint64_t manifest_pace_half_bar_blocks(
    const struct manifest_pace *pace, uint64_t blocks_closed, uint64_t tables_live, uint64_t events
);

/* Blocks that both halves of a bar acquire at most, if compactions append up to `events` in them
 * together: as the log stands when the bar opens (S7). */
uint64_t manifest_pace_bar_blocks(
    const struct manifest_pace *pace, uint64_t blocks_closed, uint64_t tables_live, uint64_t events
);

/* The same for any log: of any length, with any tables, whatever compactions append. */
uint64_t manifest_pace_bar_blocks_max(const struct manifest_pace *pace);

#endif
