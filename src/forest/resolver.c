#include "forest/resolver.h"

#include "base/assert.h"

#include "base/poison.h"

void resolver_init(
    struct resolver *resolver, struct budget *budget, const struct resolver_options *options
)
{
    struct lookup *lookups = budget_take(budget, RESOLVE_MAX, sizeof *lookups, 64);
    const uint64_t map_bytes = (uint64_t)RESOLVE_MAX * options->map_record_bytes;
    uint8_t *map_records = budget_take(budget, map_bytes, 1, 64);
    *resolver = (struct resolver){
        .grid = options->grid,
        .fault = options->fault,
        .lookups = lookups,
        .map_records = map_records,
    };
}

/* A lookup that failed has let go of everything; the others still wait for reads of theirs. */
static enum tactus_status resolver_failed(
    struct resolver *resolver, const struct resolve *resolve, const bool *running
)
{
    for (uint32_t index = 0; index < resolve->count; index += 1) {
        if (running[index]) lookup_cancel(&resolver->lookups[index]);
    }
    assert(resolver->fault->status != TACTUS_OK);
    return resolver->fault->status;
}

enum tactus_status resolver_run(struct resolver *resolver, const struct resolve *resolve)
{
    assert(resolve->count <= RESOLVE_MAX);

    const uint32_t record_size = resolve->tree->options.shape.record_size;
    bool running[RESOLVE_MAX];
    uint32_t running_count = 0;
    for (uint32_t index = 0; index < resolve->count; index += 1) {
        resolve->found[index] = false;
        running[index] = resolve->skip == NULL || !resolve->skip[index];
        if (!running[index]) continue;
        running_count += 1;
        uint8_t *record = resolve->records + (uint64_t)index * record_size;
        struct lookup *lookup = &resolver->lookups[index];
        lookup_init(lookup, resolve->tree, resolve->snapshot, resolve->keys[index], record);
    }

    /* A step of each by turns: while one looks at its memory, that of the others comes. Every turn
     * takes some lookup on, or waits for a read that all of them need; a lookup needs at most four
     * blocks a run, and three steps a block. */
    while (running_count > 0) {
        bool all_reading = true;
        for (uint32_t index = 0; index < resolve->count; index += 1) {
            if (!running[index]) continue;
            struct lookup *lookup = &resolver->lookups[index];
            const enum progress progress = lookup_step(lookup);
            all_reading &= progress == PROGRESS_WAIT && lookup_is_reading(lookup);
            if (progress == PROGRESS_WAIT) continue;
            running[index] = false;
            running_count -= 1;
            if (progress == PROGRESS_FAILED) return resolver_failed(resolver, resolve, running);
            resolve->found[index] = lookup->answer == LOOKUP_FOUND;
        }
        if (all_reading) grid_wait(resolver->grid);
    }
    return TACTUS_OK;
}
