/* Queries beside a filter over an array.
 *
 * Each seed makes a schema (support/oracle_store.h) and fills it through transactions of inserts,
 * updates and removals until several levels are full. Between them, and in the open transaction, it
 * asks (support/oracle_question.h): where-expressions to depth 5, some values as parameters, every
 * order that there is and some that there is not, both ways, one question alone or several taking
 * turns, read in steps of any capacity, counted on from where they stand. An answer is interrupted
 * now and then: objects are written and removed, the file is closed and opened again; a token goes
 * on behind the last object, in what is there by then.
 *
 * What an index gives an order to is known, which of two indexes did is not: where only longer
 * indexes serve, an answer must come as one of them has it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/oracle_question.h"
#include "support/test.h"

#include "base/poison.h"

enum { EVENTS_MAX = 32, /* batch_max */ ASKERS = 3, SLOTS_MAX = 9000 };

struct world {
    struct random random;
    tactus_db *db;
    tactus_txn *txn;      /* or NULL */
    uint32_t event_count; /* of each collection, in the transaction, at the most */
    const char *path;
    char schema[ORACLE_SCHEMA_SIZE];
    struct tactus_create_options create;
    struct tactus_open_options open;
    uint32_t store_count;
    struct oracle_store stores[ORACLE_STORES];
};

static struct {
    uint64_t questions, answers, objects, counted, tokens, orders_refused, limits, busy;
    uint64_t interruptions, reopens;
} counts;

static uint64_t below(struct world *world, uint64_t count)
{
    return random_below(&world->random, count);
}

static bool chance(struct world *world, uint64_t a, uint64_t b)
{
    return random_chance(&world->random, a, b);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void remove_object(struct world *world, struct oracle_store *store, uint32_t slot)
{
    struct oracle_object *object = &store->pending[slot];
    const uint8_t *name = oracle_object_name(store, object);
    enum tactus_status status = TACTUS_OK;
    if (store->is_map) {
        status = tactus_delete(world->txn, store->collection, name, 1, NULL);
    } else {
        status = tactus_remove(world->txn, store->collection, name, 1, NULL);
    }
    EXPECT(status == TACTUS_OK);
    object->present = false;
}

static void write_to_map(struct world *world, struct oracle_store *store, uint32_t slot)
{
    struct oracle_object *object = &store->pending[slot];
    oracle_object_draw(store, &world->random, slot, object);
    /* What is not there may be deleted, too. */
    const bool gone = chance(world, 1, 4);
    if (gone) remove_object(world, store, slot);
    if (gone) return;
    store->timestamp_last += 1;
    EXPECT(tactus_put(world->txn, store->collection, object->bytes, 1, NULL) == TACTUS_OK);
}

/* Most of the object stays as it was. */
static void change_one_field(
    struct world *world,
    const struct oracle_store *store,
    const struct oracle_object *before,
    struct oracle_object *object
)
{
    const uint32_t number = (uint32_t)below(world, store->field_count);
    const struct tactus_field *field = &store->fields[number].field;
    const struct oracle_object drawn = *object;
    *object = *before;
    memcpy(object->bytes + field->offset, drawn.bytes + field->offset, field->size);
}

static void write_to_collection(struct world *world, struct oracle_store *store, uint32_t slot)
{
    struct oracle_object *object = &store->pending[slot];
    const struct oracle_object before = *object;
    if (before.present && chance(world, 1, 4)) {
        remove_object(world, store, slot);
        return;
    }
    oracle_object_draw(store, &world->random, slot, object);
    struct tactus_result result;
    enum tactus_status status = TACTUS_OK;
    if (before.present) {
        if (chance(world, 1, 2)) change_one_field(world, store, &before, object);
        status = tactus_update(world->txn, store->collection, object->bytes, 1, &result);
    } else {
        status = tactus_insert(world->txn, store->collection, object->bytes, 1, &result);
        store->timestamp_last += 1;
        object->timestamp = store->timestamp_last;
    }
    EXPECT(status == TACTUS_OK);
    EXPECT(result.timestamp == object->timestamp);
    const uint32_t offset = store->fields[store->timestamp_field].field.offset;
    memcpy(object->bytes + offset, &object->timestamp, 8);
}

static void write_object(struct world *world, struct oracle_store *store)
{
    const uint32_t slot = (uint32_t)below(world, store->slot_count);
    if (store->is_map) {
        write_to_map(world, store, slot);
    } else {
        write_to_collection(world, store, slot);
    }
}

static void transaction_begin(struct world *world)
{
    EXPECT(tactus_begin(world->db, NULL, &world->txn) == TACTUS_OK);
    world->event_count = EVENTS_MAX - 8;
    for (uint32_t number = 0; number < world->store_count; number += 1) {
        const struct oracle_store *store = &world->stores[number];
        memcpy(store->pending, store->committed, store->slot_count * sizeof *store->pending);
    }
}

static void transaction_end(struct world *world, const uint64_t timestamps_before[ORACLE_STORES])
{
    const bool dropped = chance(world, 1, 10);
    if (dropped) {
        tactus_rollback(world->txn);
    } else {
        EXPECT(tactus_commit(world->txn, NULL) == TACTUS_OK);
    }
    world->txn = NULL;
    for (uint32_t number = 0; number < world->store_count; number += 1) {
        struct oracle_store *store = &world->stores[number];
        if (dropped) store->timestamp_last = timestamps_before[number];
        if (dropped) continue;
        memcpy(store->committed, store->pending, store->slot_count * sizeof *store->pending);
    }
}

static void ask(struct world *world);

static void write_transaction(struct world *world, bool asks)
{
    uint64_t timestamps[ORACLE_STORES] = {0};
    for (uint32_t number = 0; number < world->store_count; number += 1)
        timestamps[number] = world->stores[number].timestamp_last;
    transaction_begin(world);
    for (uint32_t number = 0; number < world->store_count; number += 1) {
        const uint64_t events = 1 + below(world, world->event_count);
        for (uint64_t event = 0; event < events; event += 1)
            write_object(world, &world->stores[number]);
    }
    if (asks) ask(world);
    transaction_end(world, timestamps);
}

static void world_open(struct world *world)
{
    struct tactus_error error;
    const enum tactus_status status = tactus_open(world->path, &world->open, &error, &world->db);
    if (status != TACTUS_OK) printf("%s\n%s\n", world->schema, error.text);
    EXPECT(status == TACTUS_OK);
    for (uint32_t number = 0; number < world->store_count; number += 1)
        oracle_store_learn(&world->stores[number], world->db);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* One question, and how far its answer has been read. */
struct asker {
    struct oracle_question question;
    tactus_query *query;
    bool running;
    bool begun;   /* by the token in `token` */
    bool counted; /* what was given out last, up to the end: there is no token of that */
    char token[TACTUS_TOKEN_BYTES];
    bool placed; /* an object was given: the last one, as it was then, is the place in each order */
    struct oracle_object places[ORACLE_SORTS];
    bool possible[ORACLE_SORTS]; /* the orders that all steps so far fit */
    uint32_t next[ORACLE_SORTS]; /* in answers */
    uint32_t answer_count;
    const struct oracle_object **answers[ORACLE_SORTS]; /* borrowed from the store */
};

static struct asker *askers[ASKERS];
static const struct asker *comparing;
static uint32_t comparing_sort;

static int by_order(const void *a, const void *b)
{
    const struct oracle_object *const *left = a;
    const struct oracle_object *const *right = b;
    return oracle_order(&comparing->question, comparing_sort, *left, *right);
}

static void asker_say(const struct asker *asker, const char *what)
{
    const struct oracle_question *question = &asker->question;
    const char *sign = question->descending ? "-" : "";
    printf("%s\n%s where %s\n", what, question->store->name, question->where);
    printf("order %s%s, ", sign, question->order->field.name);
    printf("of %u given", asker->answer_count);
    for (uint32_t sort = 0; sort < question->sort_count; sort += 1)
        printf(" %u%s", asker->next[sort], asker->possible[sort] ? "" : " (impossible)");
    printf("%s%s\n", asker->begun ? ", by a token" : "", asker->counted ? ", counted" : "");
}

/* What is to come from here on, as the objects are now. */
static void asker_expect(const struct world *world, struct asker *asker)
{
    const struct oracle_question *question = &asker->question;
    const struct oracle_store *store = question->store;
    const struct oracle_object *objects = world->txn != NULL ? store->pending : store->committed;
    comparing = asker;
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < store->slot_count; slot += 1) {
        if (!oracle_matches(question, &objects[slot])) continue;
        asker->answers[0][count] = &objects[slot];
        count += 1;
    }
    asker->answer_count = count;
    for (uint32_t sort = 0; sort < question->sort_count; sort += 1) {
        const struct oracle_object **answer = asker->answers[sort];
        if (sort > 0) memcpy(answer, asker->answers[0], count * sizeof answer[0]);
        comparing_sort = sort;
        qsort(answer, count, sizeof answer[0], by_order);
        asker->next[sort] = 0;
        while (asker->placed && asker->next[sort] < count &&
               oracle_order(question, sort, &asker->places[sort], answer[asker->next[sort]]) >= 0) {
            asker->next[sort] += 1;
        }
    }
}

/* Whether no others may hold the scans that this one needs. */
static bool asker_is_alone(const struct asker *asker)
{
    for (uint32_t number = 0; number < ASKERS; number += 1) {
        if (askers[number] != asker && askers[number]->query != NULL) return false;
    }
    return true;
}

/* From the beginning, or behind the place of the token. */
static void asker_run(struct world *world, struct asker *asker, bool by_token)
{
    tactus_view *view = world->txn != NULL ? tactus_txn_view(world->txn) : tactus_latest(world->db);
    const char *token = by_token ? asker->token : NULL;
    const enum tactus_status status = tactus_run(asker->query, view, token);
    asker->begun = by_token;
    asker->counted = false;
    asker->placed = asker->placed && by_token;
    asker->running = status == TACTUS_OK;
    counts.tokens += by_token;
    if (status != TACTUS_OK) {
        const bool refused = status == TACTUS_INVALID && !asker->question.must_order && !by_token;
        const bool busy = status == TACTUS_LIMIT && !asker_is_alone(asker);
        if (!refused && !busy) asker_say(asker, tactus_error(world->db)->text);
        EXPECT(refused || busy);
        counts.orders_refused += refused;
        counts.busy += busy;
        return;
    }
    asker_expect(world, asker);
}

static void asker_prepare(struct world *world, struct asker *asker)
{
    const struct oracle_question *question = &asker->question;
    const char *where = question->root == NULL ? NULL : question->where;
    const char *sign = question->descending ? "-" : "";
    char order[80];
    (void)snprintf(order, sizeof order, "%s%s", sign, question->order->field.name);
    const enum tactus_status status =
        tactus_prepare(world->db, question->store->collection, where, order, &asker->query);
    if (status == TACTUS_OK) {
        oracle_question_bind(question, asker->query);
        return;
    }
    asker->query = NULL;
    asker->running = false;
    const bool refused = status == TACTUS_INVALID && !question->must_order;
    const bool too_much = status == TACTUS_LIMIT && question->lookups > 32;
    if (!refused && !too_much) asker_say(asker, tactus_error(world->db)->text);
    EXPECT(refused || too_much);
    EXPECT(tactus_error(world->db)->text[0] != 0);
    counts.orders_refused += refused;
    counts.limits += too_much;
}

static void asker_begin(struct world *world, struct asker *asker)
{
    counts.questions += 1;
    const struct oracle_store *store = &world->stores[below(world, world->store_count)];
    oracle_question_draw(&asker->question, store, &world->random);
    for (uint32_t sort = 0; sort < ORACLE_SORTS; sort += 1)
        asker->possible[sort] = sort < asker->question.sort_count;
    asker->placed = false;
    asker_prepare(world, asker);
    if (asker->query != NULL) asker_run(world, asker, false);
}

/* Whether these are the next ones of that order. */
static bool step_fits(
    const struct asker *asker, uint32_t sort, const uint8_t *objects, uint32_t count
)
{
    const uint32_t size = asker->question.store->object_bytes;
    const uint32_t next = asker->next[sort];
    if (count > asker->answer_count - next) return false;
    if (count == 0) return next == asker->answer_count;
    for (uint32_t index = 0; index < count; index += 1) {
        const struct oracle_object *expected = asker->answers[sort][next + index];
        if (memcmp(objects + (size_t)index * size, expected->bytes, size) != 0) return false;
    }
    return true;
}

/* Goes on by so many, which `last` is the last of; NULL: whichever it is by each order. */
static void asker_advance(struct asker *asker, uint32_t count, const uint8_t *last)
{
    const struct oracle_store *store = asker->question.store;
    for (uint32_t sort = 0; sort < asker->question.sort_count && count > 0; sort += 1) {
        struct oracle_object *place = &asker->places[sort];
        if (!asker->possible[sort]) continue;
        asker->next[sort] += count;
        asker->placed = true;
        if (last == NULL) {
            *place = *asker->answers[sort][asker->next[sort] - 1];
        } else {
            memcpy(place->bytes, last, store->object_bytes);
            place->timestamp = 0;
            if (store->is_map) continue;
            const uint32_t offset = store->fields[store->timestamp_field].field.offset;
            memcpy(&place->timestamp, last + offset, 8);
        }
    }
}

static void asker_read(struct world *world, struct asker *asker)
{
    enum { STEP_MAX = 1500 };
    static uint8_t objects[STEP_MAX * ORACLE_OBJECT_SIZE];
    const uint32_t capacity = 1 + (uint32_t)below(world, chance(world, 1, 4) ? STEP_MAX : 30);
    uint32_t count = 0;
    EXPECT(tactus_next(asker->query, objects, capacity, &count) == TACTUS_OK);
    EXPECT(count <= capacity);
    bool any = false;
    for (uint32_t sort = 0; sort < asker->question.sort_count; sort += 1) {
        asker->possible[sort] = asker->possible[sort] && step_fits(asker, sort, objects, count);
        any |= asker->possible[sort];
    }
    if (!any) asker_say(asker, "not what the filter finds");
    EXPECT(any);
    counts.objects += count;
    counts.answers += count == 0;
    asker->running = count > 0;
    if (count == 0) return;
    asker_advance(
        asker, count, objects + (size_t)(count - 1) * asker->question.store->object_bytes
    );
}

static void asker_count(struct world *world, struct asker *asker)
{
    uint32_t sort = 0;
    while (!asker->possible[sort])
        sort += 1;
    const uint32_t left = asker->answer_count - asker->next[sort];
    const uint64_t most = chance(world, 1, 2) ? UINT64_MAX : 1 + below(world, 400);
    uint64_t count = 0;
    EXPECT(tactus_count(asker->query, most, &count) == TACTUS_OK);
    const bool right = count == (most < left ? most : left);
    if (!right) {
        asker_say(asker, "not as many as the filter finds");
        printf("counted %llu of %u\n", (unsigned long long)count, left);
    }
    EXPECT(right);
    counts.counted += 1;
    asker->counted |= count > 0 && count < most;
    asker_advance(asker, left < most ? left : (uint32_t)most, NULL);
}

/* The token of the place; false: there is no place yet. */
static bool asker_take_token(struct world *world, struct asker *asker)
{
    const bool any = (asker->placed || asker->begun) && !asker->counted;
    const enum tactus_status status =
        tactus_query_token(asker->query, asker->token, sizeof asker->token);
    if (status != (any ? TACTUS_OK : TACTUS_ABSENT))
        asker_say(asker, tactus_error(world->db)->text);
    EXPECT(status == (any ? TACTUS_OK : TACTUS_ABSENT));
    if (any && chance(world, 1, 8)) {
        /* One that was damaged is none. */
        char damaged[TACTUS_TOKEN_BYTES];
        memcpy(damaged, asker->token, sizeof damaged);
        damaged[below(world, strlen(damaged))] ^= (char)(1 + below(world, 7));
        tactus_view *view = tactus_latest(world->db);
        EXPECT(tactus_run(asker->query, view, damaged) == TACTUS_SYNTAX);
    }
    return any;
}

static int ignore_text(void *context, const char *text, size_t bytes)
{
    size_t *total = context;
    EXPECT(memchr(text, 0, bytes) == NULL);
    *total += bytes;
    return 0;
}

static void asker_step(struct world *world, struct asker *asker)
{
    size_t explained = 0;
    if (chance(world, 1, 12)) {
        const char *format = chance(world, 1, 2) ? "text" : "json";
        EXPECT(tactus_query_explain(asker->query, format, ignore_text, &explained) == TACTUS_OK);
        EXPECT(explained > 0);
    }
    if (chance(world, 1, 8)) {
        asker_count(world, asker);
    } else {
        asker_read(world, asker);
    }
    /* Another run goes on in its place, even where it had come to its end. */
    if (chance(world, 1, 10)) asker_run(world, asker, asker_take_token(world, asker));
}

/* Writes while answers are being read: that ends them, and they go on by their tokens, or begin
 * again. */
static void interrupt(struct world *world)
{
    counts.interruptions += 1;
    const bool reopen = world->txn == NULL && world->path[0] != ':' && chance(world, 1, 4);
    if (world->txn != NULL && world->event_count == EVENTS_MAX) return;
    if (world->txn != NULL) {
        write_object(world, &world->stores[below(world, world->store_count)]);
        world->event_count += 1;
    } else {
        write_transaction(world, false);
    }
    bool by_token[ASKERS] = {false};
    for (uint32_t number = 0; number < ASKERS; number += 1) {
        struct asker *asker = askers[number];
        if (asker->query == NULL || !asker->running) continue;
        uint32_t count = 7;
        uint8_t object[ORACLE_OBJECT_SIZE];
        EXPECT(tactus_next(asker->query, object, 1, &count) == TACTUS_EXPIRED);
        by_token[number] = asker_take_token(world, asker) && !chance(world, 1, 8);
        if (!reopen) asker_run(world, asker, by_token[number]);
    }
    if (!reopen) return;
    counts.reopens += 1;
    for (uint32_t number = 0; number < ASKERS; number += 1) {
        tactus_query_close(askers[number]->query);
        askers[number]->query = NULL;
    }
    EXPECT(tactus_close(world->db) == TACTUS_OK);
    world->open.cache_bytes = chance(world, 1, 2) ? 0 : 1 << 20;
    world_open(world);
    for (uint32_t number = 0; number < ASKERS; number += 1) {
        struct asker *asker = askers[number];
        if (!asker->running) continue;
        asker_prepare(world, asker);
        asker_run(world, asker, by_token[number]);
    }
}

static void ask(struct world *world)
{
    const uint32_t most = world->open.query_count_max;
    uint32_t running = 1 + (uint32_t)below(world, most < ASKERS ? most : ASKERS);
    for (uint32_t number = 0; number < ASKERS; number += 1) {
        askers[number]->query = NULL;
        askers[number]->running = false;
        if (number < running) asker_begin(world, askers[number]);
    }
    const bool breaks = chance(world, 1, 4);
    do {
        if (breaks && chance(world, 1, 6)) interrupt(world);
        running = 0;
        for (uint32_t number = 0; number < ASKERS; number += 1) {
            struct asker *asker = askers[number];
            if (asker->running && chance(world, 1, 2)) asker_step(world, asker);
            if (asker->running && chance(world, 1, 60)) asker->running = false; /* had enough */
            running += asker->running;
        }
    } while (running > 0);
    for (uint32_t number = 0; number < ASKERS; number += 1)
        tactus_query_close(askers[number]->query);
}

/* ---- A world --------------------------------------------------------------------------------- */

static void world_begin(struct world *world, uint64_t seed)
{
    *world = (struct world){0};
    random_init(&world->random, seed);
    struct oracle_text schema = {.at = world->schema, .size = sizeof world->schema};
    world->store_count = oracle_stores_draw(world->stores, &world->random, &schema);
    tactus_create_options_default(&world->create);
    world->create.block_size = 4096;
    world->create.batch_max = EVENTS_MAX;
    world->create.bar_beats = 4;
    world->create.growth_factor = chance(world, 1, 2) ? 2 : 4;
    const uint32_t runs = chance(world, 1, 2) ? 1 : 4;
    for (uint32_t level = 0; level < TACTUS_LEVELS - 2; level += 1)
        world->create.runs_max[level] = runs;
    tactus_open_options_default(&world->open);
    world->open.schema = world->schema;
    world->open.create = &world->create;
    world->open.sync = TACTUS_SYNC_NONE;
    world->open.cache_bytes = chance(world, 1, 2) ? 0 : 4 << 20;
    world->open.query_count_max = 1 + (uint32_t)below(world, ASKERS + 1);
    world->path = chance(world, 1, 4) ? "query.tactus" : ":memory:";
    (void)remove(world->path);
    const bool large = chance(world, 1, 40); /* so that sorts take several passes */
    for (uint32_t number = 0; number < world->store_count; number += 1) {
        uint32_t slots = 200 + (uint32_t)below(world, chance(world, 1, 8) ? 4000 : 1400);
        if (large) slots = SLOTS_MAX;
        oracle_store_fill(&world->stores[number], &world->random, slots);
    }
    for (uint32_t number = 0; number < ASKERS; number += 1) {
        askers[number] = calloc(1, sizeof **askers);
        EXPECT(askers[number] != NULL);
        for (uint32_t sort = 0; sort < ORACLE_SORTS; sort += 1) {
            const struct oracle_object ***answers = &askers[number]->answers[sort];
            *answers = calloc(SLOTS_MAX, sizeof **answers);
            EXPECT(*answers != NULL);
        }
    }
    world_open(world);
}

static void world_end(struct world *world)
{
    EXPECT(tactus_close(world->db) == TACTUS_OK);
    (void)remove(world->path);
    for (uint32_t number = 0; number < world->store_count; number += 1)
        oracle_store_free(&world->stores[number]);
    for (uint32_t number = 0; number < ASKERS; number += 1) {
        for (uint32_t sort = 0; sort < ORACLE_SORTS; sort += 1)
            free(askers[number]->answers[sort]);
        free(askers[number]);
    }
}

static void run_seed(struct world *world, uint64_t seed)
{
    test_seed_begin(seed);
    world_begin(world, seed);
    uint64_t transactions = 40 + below(world, chance(world, 1, 8) ? 600 : 160);
    if (world->stores[0].slot_count == SLOTS_MAX) transactions = 1000;
    for (uint64_t number = 0; number < transactions; number += 1) {
        write_transaction(world, chance(world, 30, transactions));
        if (chance(world, 40, transactions)) ask(world);
        if (chance(world, 1, 60)) EXPECT(tactus_checkpoint(world->db) == TACTUS_OK);
    }
    for (uint32_t number = 0; number < 60; number += 1)
        ask(world);
    world_end(world);
}

TEST(query, finds_what_a_filter_over_all_objects_finds)
{
    const struct test_seeds seeds = test_seeds(20);
    struct world *world = calloc(1, sizeof *world);
    EXPECT(world != NULL);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1)
        run_seed(world, seed);
    free(world);
#define SAY(what) printf("query: %llu " #what "\n", (unsigned long long)counts.what)
    SAY(questions);
    SAY(answers);
    SAY(objects);
    SAY(counted);
    SAY(tokens);
    SAY(orders_refused);
    SAY(limits);
    SAY(busy);
    SAY(interruptions);
    SAY(reopens);
    EXPECT(seeds.count < 10 || counts.answers > counts.questions / 2);
}

TEST_MAIN()
