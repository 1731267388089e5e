#include "support/engine_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "database/database.h"
#include "support/test.h"

#include "base/poison.h"

static const char *schema(void)
{
    return "collection thing {\n"
           "  id u64\n  timestamp timestamp\n  x u32 index\n  y i32 optional index\n"
           "  name text(12) index\n  price decimal(2)\n  index x_y (x, y)\n}\n"
           "collection tag {\n  id u128\n  timestamp timestamp\n  flag u8 index\n}\n"
           "map slot {\n  key u128\n  n u32\n  note text(12)\n}\n";
}

static struct tactus_create_options create_options(const struct model *model)
{
    struct tactus_create_options create;
    tactus_create_options_default(&create);
    create.block_size = 4096;
    create.batch_max = model->options.batch_max;
    create.bar_beats = 4;
    create.growth_factor = 4;
    memcpy(create.runs_max, model->options.runs_max, sizeof create.runs_max);
    create.keep = model->options.keep;
    create.journal_bytes = 1 << 20;
    create.size_max = UINT64_C(256) << 20;
    create.file_id = (struct tactus_u128){.low = 7, .high = 9};
    return create;
}

uint64_t model_slices(const struct model *model, uint8_t level)
{
    const struct forest *forest = &model->db->forest;
    uint64_t count = 0;
    for (uint32_t tree = 0; tree < forest->tree_count; tree += 1)
        count += forest->trees[tree].compactions[level + 1].total.slices;
    return count;
}

struct model *model_new(const struct model_options *options)
{
    struct model *model = calloc(1, sizeof *model);
    EXPECT(model != NULL);
    model->options = *options;
    model->states = calloc(MODEL_STATES_MAX, sizeof *model->states);
    EXPECT(model->states != NULL);
    model->state_count = 1;
    return model;
}

void model_free(struct model *model)
{
    if (model == NULL) return;
    model_close(model);
    free(model->states);
    free(model);
}

struct model *model_copy(const struct model *model)
{
    struct model *copy = model_new(&model->options);
    struct model_state *states = copy->states;
    *copy = *model;
    copy->states = states;
    memcpy(copy->states, model->states, model->state_count * sizeof *states);
    copy->db = NULL;
    return copy;
}

static enum tactus_status open_with(struct model *model, struct reactor *reactor, uint32_t flags)
{
    struct tactus_create_options create = create_options(model);
    struct tactus_open_options open;
    tactus_open_options_default(&open);
    open.schema = flags == 0 ? schema() : NULL;
    open.create = &create;
    open.sync = model->options.sync;
    open.cache_bytes = model->options.cache_bytes;
    open.query_count_max = 2;
    open.compaction_depth = model->options.compaction_depth;
    open.flags = flags;
    struct tactus_error error = {0};
    const enum tactus_status status = database_open(reactor, &open, &error, &model->db);
    if (status != TACTUS_OK) {
        model->db = NULL;
        if (getenv("MODEL_TRACE") != NULL) fprintf(stderr, "open: %s\n", error.text);
        return status;
    }
    EXPECT(tactus_collection_find(model->db, "thing", 0, &model->things) == TACTUS_OK);
    EXPECT(tactus_collection_find(model->db, "tag", 0, &model->tags) == TACTUS_OK);
    struct tactus_collection_info info;
    tactus_collection_info(model->things, &info);
    EXPECT(info.object_bytes == sizeof(struct model_thing));
    tactus_collection_info(model->tags, &info);
    EXPECT(info.object_bytes == sizeof(struct model_tag));
    EXPECT(tactus_collection_find(model->db, "slot", 0, &model->slots) == TACTUS_OK);
    tactus_collection_info(model->slots, &info);
    EXPECT(info.object_bytes == sizeof(struct model_slot));
    return TACTUS_OK;
}

enum tactus_status model_open(struct model *model, struct reactor *reactor)
{
    return open_with(model, reactor, 0);
}

enum tactus_status model_open_read_only(struct model *model, struct reactor *reactor)
{
    return open_with(model, reactor, TACTUS_READ_ONLY_OPEN);
}

bool model_outlives_opening(struct model *model)
{
    const enum tactus_status own = grid_writes_finish(&model->db->grid);
    const enum tactus_status compacted = grid_writes_finish(&model->db->compactor.grid);
    return own == TACTUS_OK && compacted == TACTUS_OK;
}

void model_close(struct model *model)
{
    if (model->db == NULL) return;
    (void)database_close(model->db);
    model->db = NULL;
}

void model_close_durable(struct model *model)
{
    model_close(model);
    model->states[0] = model->now;
    model->state_count = 1;
}

/* ---- One call beside the oracle -------------------------------------------------------------- */

static struct model_thing random_thing(struct random *random, uint64_t id)
{
    struct model_thing thing = {
        .id = id + 1,
        .x = (uint32_t)random_below(random, 8),
        .y = (int32_t)random_below(random, 5) - 2,
        .price = (int64_t)random_below(random, 1000) - 500,
    };
    const int length =
        snprintf(thing.name, sizeof thing.name, "n%u", (unsigned)random_below(random, 20));
    /* What follows the first zero byte is not stored. */
    if (random_chance(random, 1, 4)) thing.name[length + 1] = 'z';
    return thing;
}

static struct model_thing stored_thing(struct model_thing thing, uint64_t timestamp)
{
    const size_t length = strnlen(thing.name, sizeof thing.name);
    memset(thing.name + length, 0, sizeof thing.name - length);
    thing.timestamp = timestamp;
    return thing;
}

enum { VERB_INSERT, VERB_UPSERT, VERB_UPDATE, VERB_REMOVE, VERB_COUNT };

/* What the oracle says to one object of a call; a refusal changes nothing. */
static int32_t judge_thing(
    struct model_state *state, uint32_t verb, const struct model_thing *thing
)
{
    struct model_thing *place = &state->things[thing->id - 1];
    const bool there = place->timestamp != 0;
    if (verb == VERB_INSERT && there) return TACTUS_EXISTS;
    if ((verb == VERB_UPDATE || verb == VERB_REMOVE) && !there) return TACTUS_ABSENT;
    if (verb == VERB_REMOVE) {
        place->timestamp = 0;
    } else if (there) {
        *place = stored_thing(*thing, place->timestamp);
    } else {
        state->thing_last += 1;
        *place = stored_thing(*thing, state->thing_last);
    }
    return TACTUS_OK;
}

static enum tactus_status call_things(
    struct model *model, struct random *random, struct model_state *state, tactus_txn *txn
)
{
    struct model_thing things[MODEL_TRANSACTION_MAX];
    uint64_t ids[MODEL_TRANSACTION_MAX];
    struct tactus_result results[MODEL_TRANSACTION_MAX];
    int32_t expected[MODEL_TRANSACTION_MAX];
    const uint32_t verb = (uint32_t)random_below(random, VERB_COUNT);
    const uint32_t most = model->options.batch_max / 2;
    const uint32_t count = 1 + (uint32_t)random_below(random, most < 24 ? most : 24);
    const bool all_or_nothing = random_chance(random, 1, 3);
    struct model_state *trial = malloc(sizeof *trial);
    EXPECT(trial != NULL);
    *trial = *state;
    uint32_t refused = 0;
    int32_t first_refusal = TACTUS_OK;
    for (uint32_t index = 0; index < count; index += 1) {
        things[index] = random_thing(random, random_below(random, MODEL_IDS));
        ids[index] = things[index].id;
        expected[index] = judge_thing(trial, verb, &things[index]);
        if (expected[index] == TACTUS_OK) continue;
        if (refused == 0) first_refusal = expected[index];
        refused += 1;
    }
    struct tactus_result *out = all_or_nothing ? NULL : results;
    enum tactus_status status = TACTUS_OK;
    if (verb == VERB_INSERT) status = tactus_insert(txn, model->things, things, count, out);
    if (verb == VERB_UPSERT) status = tactus_upsert(txn, model->things, things, count, out);
    if (verb == VERB_UPDATE) status = tactus_update(txn, model->things, things, count, out);
    if (verb == VERB_REMOVE) status = tactus_remove(txn, model->things, ids, count, out);
    const bool failed = status == TACTUS_IO || status == TACTUS_POISONED;
    if (!failed && all_or_nothing) {
        EXPECT((int32_t)status == first_refusal);
        if (refused == 0) *state = *trial;
    } else if (!failed) {
        EXPECT(status == (refused == 0 ? TACTUS_OK : TACTUS_SOME));
        for (uint32_t index = 0; index < count; index += 1) {
            EXPECT(results[index].status == expected[index]);
        }
        *state = *trial;
    }
    free(trial);
    return failed ? status : TACTUS_OK;
}

static enum tactus_status call_tags(
    struct model *model, struct random *random, struct model_state *state, tactus_txn *txn
)
{
    const uint64_t number = random_below(random, MODEL_IDS);
    struct model_tag tag = {
        .id = {.low = number * 3, .high = number + 1},
        .flag = (uint8_t)random_below(random, 4),
    };
    struct model_tag *place = &state->tags[number];
    if (random_chance(random, 1, 3)) {
        const enum tactus_status status = tactus_remove(txn, model->tags, &tag.id, 1, NULL);
        if (status == TACTUS_IO || status == TACTUS_POISONED) return status;
        EXPECT(status == (place->timestamp != 0 ? TACTUS_OK : TACTUS_ABSENT));
        place->timestamp = 0;
        return TACTUS_OK;
    }
    struct tactus_result result;
    const enum tactus_status status = tactus_upsert(txn, model->tags, &tag, 1, &result);
    if (status == TACTUS_IO || status == TACTUS_POISONED) return status;
    EXPECT(status == TACTUS_OK);
    if (place->timestamp == 0) state->tag_last += 1;
    tag.timestamp = place->timestamp == 0 ? state->tag_last : place->timestamp;
    EXPECT(result.timestamp == tag.timestamp);
    *place = tag;
    return TACTUS_OK;
}

/* In an order of its own, not that of the numbers. */
static struct tactus_u128 slot_key(uint64_t number)
{
    return (struct tactus_u128
    ){.low = number * UINT64_C(0x9e3779b97f4a7c15), .high = (number * 7) % 5};
}

/* One slot in so many cannot be: its note is not UTF-8. */
enum { BAD_SLOT_EACH = 40 };

static enum tactus_status put_slots(
    struct model *model, struct random *random, struct model_state *state, tactus_txn *txn
)
{
    struct model_slot slots[MODEL_TRANSACTION_MAX];
    uint64_t numbers[MODEL_TRANSACTION_MAX];
    struct tactus_result results[MODEL_TRANSACTION_MAX];
    const uint32_t most = model->options.batch_max / 2;
    const uint32_t count = 1 + (uint32_t)random_below(random, most < 24 ? most : 24);
    const bool all_or_nothing = random_chance(random, 1, 3);
    bool bad[MODEL_TRANSACTION_MAX];
    uint32_t refused = 0;
    for (uint32_t index = 0; index < count; index += 1) {
        numbers[index] = random_below(random, MODEL_IDS);
        struct model_slot slot = {
            .key = slot_key(numbers[index]), .n = (uint32_t)random_below(random, 1000)};
        snprintf(slot.note, sizeof slot.note, "s%u", (unsigned)random_below(random, 50));
        bad[index] = random_chance(random, 1, BAD_SLOT_EACH);
        if (bad[index]) slot.note[0] = (char)0xff;
        slots[index] = slot;
        if (random_chance(random, 1, 4)) slots[index].note[11] = 'z'; /* is not stored */
        refused += bad[index];
    }
    const enum tactus_status status =
        tactus_put(txn, model->slots, slots, count, all_or_nothing ? NULL : results);
    if (status == TACTUS_IO || status == TACTUS_POISONED) return status;
    if (refused > 0) {
        EXPECT(status == (all_or_nothing ? TACTUS_INVALID : TACTUS_SOME));
    } else {
        EXPECT(status == TACTUS_OK);
    }
    for (uint32_t index = 0; index < count; index += 1) {
        if (all_or_nothing && refused > 0) break;
        if (!all_or_nothing) {
            EXPECT(results[index].status == (bad[index] ? TACTUS_INVALID : TACTUS_OK));
            EXPECT(results[index].timestamp == 0);
        }
        if (bad[index]) continue;
        state->has_slot[numbers[index]] = true;
        state->slots[numbers[index]] = slots[index];
        state->slots[numbers[index]].note[11] = 0;
        model->put_count += 1;
    }
    return TACTUS_OK;
}

/* Of keys that are there, and of those that are not: nobody asks. */
static enum tactus_status call_slots(
    struct model *model, struct random *random, struct model_state *state, tactus_txn *txn
)
{
    if (random_chance(random, 2, 3)) return put_slots(model, random, state, txn);
    struct tactus_u128 keys[8];
    uint64_t numbers[8];
    const uint32_t count = 1 + (uint32_t)random_below(random, 8);
    for (uint32_t index = 0; index < count; index += 1) {
        numbers[index] = random_below(random, MODEL_IDS);
        keys[index] = slot_key(numbers[index]);
    }
    const enum tactus_status status = tactus_delete(txn, model->slots, keys, count, NULL);
    if (status == TACTUS_IO || status == TACTUS_POISONED) return status;
    EXPECT(status == TACTUS_OK);
    for (uint32_t index = 0; index < count; index += 1)
        state->has_slot[numbers[index]] = false;
    model->delete_count += count;
    return TACTUS_OK;
}

/* ---- Items ----------------------------------------------------------------------------------- */

static void remember(struct model *model, const struct model_state *state, bool durable)
{
    if (durable) {
        model->states[0] = *state;
        model->state_count = 1;
        return;
    }
    EXPECT(model->state_count < MODEL_STATES_MAX);
    model->states[model->state_count] = *state;
    model->state_count += 1;
}

static uint64_t last_op(const struct model *model)
{
    struct tactus_stats stats = {.struct_bytes = sizeof stats};
    tactus_stats(model->db, &stats);
    return stats.op;
}

/* What is durable by now need not be thought of as lost any more. */
static void forget_durable(struct model *model)
{
    struct tactus_stats stats = {.struct_bytes = sizeof stats};
    tactus_stats(model->db, &stats);
    uint32_t first = 0;
    while (first + 1 < model->state_count && model->states[first + 1].op <= stats.op_durable) {
        first += 1;
    }
    model->state_count -= first;
    memmove(model->states, model->states + first, model->state_count * sizeof *model->states);
}

/* Waits for one of those that were started, or looks how far they are. */
static enum tactus_status run_wait(struct model *model, struct random *random)
{
    const uint64_t op = random_range(random, model->states[0].op, model->now.op);
    uint64_t durable = 0;
    const bool looks = random_chance(random, 1, 2);
    const enum tactus_status status =
        looks ? tactus_durable_op(model->db, &durable) : tactus_durable_wait(model->db, op);
    forget_durable(model);
    if (status != TACTUS_OK) {
        EXPECT(status == TACTUS_POISONED);
    } else {
        EXPECT(model->states[0].op >= (looks ? durable : op));
    }
    return status;
}

/* The transaction's end. If its commit failed it may yet be there after a reopen. */
static enum tactus_status end_transaction(
    struct model *model, struct model_state *state, tactus_txn *txn, bool wait
)
{
    const uint64_t op_before = last_op(model);
    uint64_t op = 0;
    const enum tactus_status status =
        wait ? tactus_commit(txn, &op) : tactus_commit_start(txn, &op);
    if (status != TACTUS_OK) {
        EXPECT(status == TACTUS_POISONED || status == TACTUS_IO);
        state->op = op_before + 1;
        remember(model, state, false);
        return status;
    }
    EXPECT(op == op_before || op == op_before + 1);
    state->op = op;
    model->now = *state;
    const bool durable = wait && model->options.sync == TACTUS_SYNC_COMMIT;
    if (op == op_before) {
        model->states[model->state_count - 1].item = state->item;
    } else {
        remember(model, state, durable);
    }
    forget_durable(model);
    return TACTUS_OK;
}

static enum tactus_status run_transaction(struct model *model, struct random *random)
{
    struct model_state *state = malloc(sizeof *state);
    EXPECT(state != NULL);
    *state = model->now;
    state->item += 1;
    tactus_txn *txn = NULL;
    enum tactus_status status = tactus_begin(model->db, NULL, &txn);
    const bool has_slots = random_chance(random, 1, 2);
    const bool only_slots = has_slots && random_chance(random, 1, 6);
    const uint32_t calls = only_slots ? 0 : 1 + (uint32_t)random_below(random, 3);
    if (has_slots && status == TACTUS_OK) status = call_slots(model, random, state, txn);
    for (uint32_t index = 0; index < calls && status == TACTUS_OK; index += 1) {
        if (index > 0 && random_chance(random, 1, 2)) {
            status = call_tags(model, random, state, txn);
        } else if (index < 2) {
            status = call_things(model, random, state, txn);
        }
    }
    const bool roll_back = random_chance(random, 1, 8);
    if (status != TACTUS_OK) {
        tactus_rollback(txn);
    } else if (roll_back) {
        tactus_rollback(txn);
        model->now.item += 1;
        model->states[model->state_count - 1].item = model->now.item;
    } else {
        const uint32_t queued = model->options.queued;
        const bool wait = queued == 0 || !random_chance(random, queued, 8);
        status = end_transaction(model, state, txn, wait);
    }
    free(state);
    return status;
}

static enum tactus_status run_checkpoint(struct model *model)
{
    const uint64_t op_before = last_op(model);
    const enum tactus_status status = tactus_checkpoint(model->db);
    model->now.item += 1;
    if (status == TACTUS_OK) {
        model->now.op = last_op(model);
        remember(model, &model->now, true);
        return TACTUS_OK;
    }
    /* Its op may be there. */
    struct model_state *state = malloc(sizeof *state);
    EXPECT(state != NULL);
    *state = model->now;
    state->op = op_before + 1;
    remember(model, state, false);
    free(state);
    return status;
}

enum tactus_status model_step(struct model *model)
{
    struct random random;
    random_init(&random, model->options.seed * 1000003 + model->now.item);
    const uint32_t checkpoints = model->options.checkpoints;
    if (checkpoints != 0 && random_chance(&random, 1, checkpoints)) return run_checkpoint(model);
    if (model->options.queued != 0 && random_chance(&random, 1, 6)) {
        const enum tactus_status status = run_wait(model, &random);
        if (status != TACTUS_OK) return status;
    }
    if (model->state_count > MODEL_STATES_MAX / 2) {
        const enum tactus_status status = tactus_flush(model->db);
        if (status != TACTUS_OK) return status;
        remember(model, &model->now, true);
    }
    return run_transaction(model, &random);
}

void model_recover(struct model *model)
{
    const uint64_t op = last_op(model);
    for (uint32_t index = 0; index < model->state_count; index += 1) {
        if (model->states[index].op != op) continue;
        model->now = model->states[index];
        remember(model, &model->now, true);
        model_compare(model);
        return;
    }
    fprintf(
        stderr,
        "op %llu was recovered, %llu was durable, %llu was the last\n",
        (unsigned long long)op,
        (unsigned long long)model->states[0].op,
        (unsigned long long)model->states[model->state_count - 1].op
    );
    EXPECT(false);
}

/* ---- Over a simulated disk ------------------------------------------------------------------- */

void model_begin(struct model *model, struct simulated_disk *disk)
{
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    reactor.is_new = true;
    EXPECT(model_open(model, &reactor) == TACTUS_OK);
}

void model_reopen(struct model *model, struct simulated_disk *disk)
{
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    EXPECT(model_open(model, &reactor) == TACTUS_OK);
    model_recover(model);
}

void model_run_to_death(struct model *model, struct simulated_disk *disk)
{
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    if (model_open(model, &reactor) == TACTUS_OK) {
        if (model_outlives_opening(model)) {
            model_recover(model);
            while (model_step(model) == TACTUS_OK) {
            }
        }
        model_close(model);
    }
    EXPECT(simulated_disk_is_dead(disk));
}

/* ---- Comparing ------------------------------------------------------------------------------- */

static int by_timestamp(const void *a, const void *b)
{
    const struct model_thing *left = a;
    const struct model_thing *right = b;
    return (left->timestamp > right->timestamp) - (left->timestamp < right->timestamp);
}

static int by_x(const void *a, const void *b)
{
    const struct model_thing *left = a;
    const struct model_thing *right = b;
    if (left->x != right->x) return left->x > right->x ? 1 : -1;
    return by_timestamp(a, b);
}

static uint32_t run_query(
    struct model *model, const char *where, const char *order, struct model_thing *things
)
{
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(model->db, model->things, where, order, &query) == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(model->db), NULL) == TACTUS_OK);
    uint32_t total = 0;
    for (;;) {
        uint32_t count = 0;
        EXPECT(tactus_next(query, things + total, 7, &count) == TACTUS_OK);
        if (count == 0) break;
        total += count;
        EXPECT(total <= MODEL_IDS);
    }
    tactus_query_close(query);
    return total;
}

static void expect_things(
    const struct model_thing *found,
    uint32_t found_count,
    const struct model_thing *expected,
    uint32_t expected_count
)
{
    EXPECT(found_count == expected_count);
    for (uint32_t index = 0; index < found_count; index += 1) {
        EXPECT(memcmp(&found[index], &expected[index], sizeof *found) == 0);
    }
}

static void reverse_things(struct model_thing *things, uint32_t count)
{
    for (uint32_t index = 0; index < count / 2; index += 1) {
        const struct model_thing thing = things[index];
        things[index] = things[count - 1 - index];
        things[count - 1 - index] = thing;
    }
}

static void compare_scans(struct model *model, struct model_thing *things, uint32_t count)
{
    struct model_thing found[MODEL_IDS + 8];
    struct model_thing expected[MODEL_IDS];
    qsort(things, count, sizeof *things, by_timestamp);
    expect_things(found, run_query(model, NULL, NULL, found), things, count);
    for (uint32_t x = 0; x < 8; x += 1) {
        uint32_t wanted = 0;
        for (uint32_t index = 0; index < count; index += 1) {
            if (things[index].x == x && things[index].y == 1) expected[wanted++] = things[index];
        }
        char where[64];
        snprintf(where, sizeof where, "x = %u and y = 1", x);
        expect_things(found, run_query(model, where, NULL, found), expected, wanted);
        reverse_things(expected, wanted);
        expect_things(found, run_query(model, where, "-timestamp", found), expected, wanted);
    }
    uint32_t wanted = 0;
    for (uint32_t index = 0; index < count; index += 1) {
        if (strncmp(things[index].name, "n1", 12) == 0) expected[wanted++] = things[index];
    }
    expect_things(found, run_query(model, "name = 'n1'", NULL, found), expected, wanted);
    reverse_things(things, count);
    expect_things(found, run_query(model, NULL, "-timestamp", found), things, count);
    qsort(things, count, sizeof *things, by_x);
    expect_things(found, run_query(model, NULL, "x", found), things, count);
}

static void compare_tags(struct model *model)
{
    struct tactus_u128 ids[MODEL_IDS];
    struct model_tag found[MODEL_IDS];
    struct tactus_result results[MODEL_IDS];
    for (uint64_t number = 0; number < MODEL_IDS; number += 1) {
        ids[number] = (struct tactus_u128){.low = number * 3, .high = number + 1};
    }
    const enum tactus_status status =
        tactus_get(tactus_latest(model->db), model->tags, ids, MODEL_IDS, found, results);
    EXPECT(status == TACTUS_OK || status == TACTUS_SOME);
    for (uint32_t number = 0; number < MODEL_IDS; number += 1) {
        const struct model_tag *tag = &model->now.tags[number];
        EXPECT((results[number].status == TACTUS_OK) == (tag->timestamp != 0));
        if (tag->timestamp != 0) EXPECT(memcmp(&found[number], tag, sizeof *tag) == 0);
    }
}

static int by_key(const void *a, const void *b)
{
    const struct tactus_u128 left = ((const struct model_slot *)a)->key;
    const struct tactus_u128 right = ((const struct model_slot *)b)->key;
    if (left.high != right.high) return left.high > right.high ? 1 : -1;
    return (left.low > right.low) - (left.low < right.low);
}

/* The digest goes through the map in the order of its keys; and is that of docs/format.md. */
static void compare_slot_order(struct model *model, struct model_slot *slots, uint64_t count)
{
    qsort(slots, count, sizeof *slots, by_key);
    struct checksum_stream stream;
    uint8_t total[8];
    store_u64(total, count);
    checksum_stream_begin(&stream, (struct checksum){0});
    checksum_stream_add(&stream, slots, count * sizeof *slots);
    checksum_stream_add(&stream, total, sizeof total);
    const struct checksum wanted = checksum_stream_end(&stream);
    struct tactus_u128 digest;
    uint64_t found = 0;
    EXPECT(tactus_digest_collection(model->db, model->slots, &digest, &found) == TACTUS_OK);
    EXPECT(found == count);
    EXPECT(digest.low == wanted.low && digest.high == wanted.high);
}

static void compare_slots(struct model *model)
{
    struct tactus_u128 keys[MODEL_IDS];
    struct model_slot found[MODEL_IDS];
    struct tactus_result results[MODEL_IDS];
    struct model_slot there[MODEL_IDS];
    uint64_t count = 0;
    for (uint64_t number = 0; number < MODEL_IDS; number += 1)
        keys[number] = slot_key(number);
    const enum tactus_status status =
        tactus_get(tactus_latest(model->db), model->slots, keys, MODEL_IDS, found, results);
    EXPECT(status == TACTUS_OK || status == TACTUS_SOME);
    for (uint32_t number = 0; number < MODEL_IDS; number += 1) {
        const bool is_there = model->now.has_slot[number];
        EXPECT(results[number].status == (is_there ? TACTUS_OK : TACTUS_ABSENT));
        EXPECT(results[number].timestamp == 0);
        if (!is_there) {
            EXPECT(bytes_are_zero(&found[number], sizeof found[number]));
            continue;
        }
        const struct model_slot *slot = &model->now.slots[number];
        EXPECT(memcmp(&found[number], slot, sizeof *slot) == 0);
        there[count] = *slot;
        count += 1;
    }
    compare_slot_order(model, there, count);
}

void model_compare(struct model *model)
{
    struct model_thing things[MODEL_IDS];
    uint64_t ids[MODEL_IDS];
    struct model_thing found[MODEL_IDS];
    struct tactus_result results[MODEL_IDS];
    uint32_t count = 0;
    for (uint32_t number = 0; number < MODEL_IDS; number += 1) {
        ids[number] = number + 1;
        if (model->now.things[number].timestamp == 0) continue;
        things[count] = model->now.things[number];
        count += 1;
    }
    const enum tactus_status status =
        tactus_get(tactus_latest(model->db), model->things, ids, MODEL_IDS, found, results);
    EXPECT(status == (count == MODEL_IDS ? TACTUS_OK : TACTUS_SOME));
    for (uint32_t number = 0; number < MODEL_IDS; number += 1) {
        const struct model_thing *thing = &model->now.things[number];
        EXPECT((results[number].status == TACTUS_OK) == (thing->timestamp != 0));
        if (thing->timestamp != 0) EXPECT(memcmp(&found[number], thing, sizeof *thing) == 0);
    }
    compare_scans(model, things, count);
    compare_tags(model);
    compare_slots(model);
}
