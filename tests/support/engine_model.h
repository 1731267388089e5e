/* The whole engine beside an oracle that is too plain to be wrong.
 *
 * A history is a row of items, each made from the seed and its number alone (and from what is there
 * when it is its turn): a transaction with a few calls, a rollback, a checkpoint. So the same
 * history can be run again, in one go or across crashes, and must come to the same contents and the
 * same bytes.
 *
 * The oracle is an array a collection or map, with the id or key as its index. It predicts each
 * object's result, and keeps its state after each op that may not be durable yet: what a reopen
 * after a crash finds must be one of them, whole, and none that is older than what was
 * acknowledged. */
#ifndef TACTUS_TESTS_ENGINE_MODEL_H
#define TACTUS_TESTS_ENGINE_MODEL_H

#include "base/random.h"
#include "io/reactor.h"
#include "support/simulated_disk.h"
#include "tactus.h"

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_IDS = 160, MODEL_STATES_MAX = 512, MODEL_TRANSACTION_MAX = 48 };

struct model_thing { /* as `tactus codegen c` prints it */
    uint64_t id;
    uint64_t timestamp;
    uint32_t x;
    int32_t y;
    char name[12];
    uint8_t padding_0[4];
    int64_t price;
};

struct model_tag {
    struct tactus_u128 id;
    uint64_t timestamp;
    uint8_t flag;
    uint8_t padding_0[7];
};

struct model_slot { /* of a map */
    struct tactus_u128 key;
    uint32_t n;
    char note[12];
};

/* What is there after an op. An object with timestamp 0 is absent. */
struct model_state {
    uint64_t op;
    uint64_t item; /* the next item of the history */
    uint64_t thing_last, tag_last;
    struct model_thing things[MODEL_IDS];
    struct model_tag tags[MODEL_IDS];
    bool has_slot[MODEL_IDS];
    struct model_slot slots[MODEL_IDS];
};

struct model_options {
    uint64_t seed;
    uint32_t sync;        /* enum tactus_sync */
    uint32_t checkpoints; /* one item in so many is a checkpoint; 0: none */
    uint64_t cache_bytes;
    uint32_t compaction_depth; /* 0: the default */
    uint32_t batch_max;
    uint32_t queued;                  /* of eight commits so many are only started */
    uint32_t runs_max[TACTUS_LEVELS]; /* 0: 1 */
    uint32_t keep;                    /* 0: 1 */
};

struct model {
    struct model_options options;
    struct model_state now;
    struct model_state *states; /* MODEL_STATES_MAX: after each op since the last that is durable */
    uint32_t state_count;       /* the first is that of the last durable op */
    tactus_db *db;              /* NULL: not open */
    const tactus_collection *things;
    const tactus_collection *tags;
    const tactus_collection *slots; /* a map */
    uint64_t put_count, delete_count;
};

struct model *model_new(const struct model_options *options);
void model_free(struct model *model); /* closes the database; NULL is fine */

/* The same options, contents and states; not open. */
struct model *model_copy(const struct model *model);

/* Slices that went down from this level since the database was opened. */
uint64_t model_slices(const struct model *model, uint8_t level);

/* Opens over a reactor whose file is open; makes the database if the file is new. */
enum tactus_status model_open(struct model *model, struct reactor *reactor);
enum tactus_status model_open_read_only(struct model *model, struct reactor *reactor);

/* Waits for what the open has set off and left under way. False: the disk has died of it. */
bool model_outlives_opening(struct model *model);

/* Gives the handle up. */
void model_close(struct model *model);

/* Closes a database whose disk does not fail: all that was done is durable after it. */
void model_close_durable(struct model *model);

/* Runs the next item. Anything but OK: the disk failed; what the oracle knows stays right. A result
 * that differs from the oracle's ends the test. */
enum tactus_status model_step(struct model *model);

/* After a reopen: which of the states that may be there is there; goes on from it. Ends the test if
 * none is. */
void model_recover(struct model *model);

/* Makes the database on an empty disk. */
void model_begin(struct model *model, struct simulated_disk *disk);

/* Opens what is on the disk, and recovers. Ends the test if either fails. */
void model_reopen(struct model *model, struct simulated_disk *disk);

/* Opens, and goes on until the disk dies, as it was told to: in the open, in recovery or later. */
void model_run_to_death(struct model *model, struct simulated_disk *disk);

/* Compares everything: by id, by timestamp, by full scan both ways, by every index; the map by key
 * and in the order of its keys. */
void model_compare(struct model *model);

#endif
