#ifndef TACTUS_BASE_BUDGET_H
#define TACTUS_BASE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* All memory of an open database: one region, taken at open and given out once.
 *
 * Every module's init() takes what it needs from a budget, and runs twice: first over a budget that
 * measures and gives out nothing, then over one that carves a region of the size that was measured.
 * Both are the same walk, so they cannot disagree:
 *
 *   void table_init(struct table *table, struct budget *budget, uint32_t capacity)
 *   {
 *       table->records = budget_take(budget, capacity, sizeof(struct record), 64);
 *       if (budget_is_measuring(budget)) return;
 *       ...
 *   }
 *
 *   B1  used <= size while carving.
 *   B2  The bytes of all lines add up to used; padding for alignment belongs to its line.
 *   B3  used == UINT64_MAX: what was asked for does not fit 64 bits. Only while measuring. */
enum { BUDGET_ALIGNMENT = 4096, BUDGET_LINES_MAX = 64 };

struct budget_line {
    const char *name; /* a literal */
    uint64_t bytes;
};

struct budget {
    uint8_t *region; /* borrowed from the caller; NULL while measuring */
    uint64_t size;

    uint64_t used;
    uint32_t line; /* the one that what is taken now is listed under */
    uint32_t line_count;
    struct budget_line lines[BUDGET_LINES_MAX];
};

void budget_measure_begin(struct budget *budget);

/* The region is aligned to BUDGET_ALIGNMENT, filled with zeros, and stays the caller's: kept until
 * everything carved from it is gone. */
void budget_carve_begin(struct budget *budget, void *region, uint64_t size);

bool budget_is_measuring(const struct budget *budget);

/* What is taken from here on is listed under `name`, a literal; a name that was there before is
 * gone on with. Without any group it is "other". */
void budget_group(struct budget *budget, const char *name);

/* `count` zeroed items, at a multiple of `alignment` (a power of two up to BUDGET_ALIGNMENT). NULL
 * while measuring, never while carving: of count 0 it is a pointer that nothing may be read from.
 * Carving more than was measured is an assertion. */
void *budget_take(struct budget *budget, uint64_t count, uint64_t item_size, uint64_t alignment);

/* Bytes taken so far; UINT64_MAX: more than 64 bits hold. */
uint64_t budget_used(const struct budget *budget);

uint32_t budget_line_count(const struct budget *budget);
struct budget_line budget_line_at(const struct budget *budget, uint32_t index);

#endif
