/* What the parts of inspect share. For src/database/inspect*.c alone. */
#ifndef TACTUS_DATABASE_INSPECT_PARTS_H
#define TACTUS_DATABASE_INSPECT_PARTS_H

#include "database/inspect.h"
#include "database/verify_parts.h"

enum { INSPECT_TREE_NAME_SIZE = 2 * NAME_SIZE + 16 };

/* What is inspected: the verifier's view of it, whose report writes rows. */
struct inspect {
    struct verify verify;
    struct report report;
    struct inspect_writer *writer; /* borrowed */
};

/* A row of a block's place: key_address, key_copy. */
void inspect_reference(
    struct inspect_writer *writer, const char *key, const struct block_reference *reference
);

/* inspect_superblock.c: the four copies, whatever they hold; then what the quorum says. */
enum tactus_status inspect_copies(
    struct inspect_writer *writer, struct reactor *reactor, struct fault *fault
);
void inspect_superblock(struct inspect_writer *writer, const struct superblock *superblock);

/* inspect_journal.c: every entry; and, for the summary, only how many and how it ends. */
enum tactus_status inspect_journal(struct inspect *inspect);
enum tactus_status inspect_journal_count(struct inspect *inspect);

/* inspect_grid.c */
enum tactus_status inspect_manifest(struct inspect *inspect);
enum tactus_status inspect_trees(struct inspect *inspect);
enum tactus_status inspect_tables(struct inspect *inspect);
enum tactus_status inspect_blocks(struct inspect *inspect);

/* inspect_stats.c: what became of the file's history; and two sections of it for the summary, the
 * counts and the blocks in use, after inspect_look(). */
enum tactus_status inspect_stats(struct inspect *inspect);
void inspect_counters(const struct inspect *inspect);
void inspect_grid(const struct inspect *inspect);

/* Reads trailers and the manifest log, so that marks and tables are known; faults become rows. */
enum tactus_status inspect_look(struct inspect *inspect);

#endif
