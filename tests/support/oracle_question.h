#ifndef TACTUS_TESTS_SUPPORT_ORACLE_QUESTION_H
#define TACTUS_TESTS_SUPPORT_ORACLE_QUESTION_H

#include "support/oracle_store.h"

/* Random where-expressions and orders: as a tree, which the oracle evaluates, and as the text that
 * the library is given. Neither is made from the other. */
enum {
    ORACLE_DEPTH = 5,
    ORACLE_NODES = 96,
    ORACLE_CHILDREN = 8,
    ORACLE_VALUES = 6, /* of one test */
    ORACLE_WHERE_SIZE = 16384,
    ORACLE_SORTS = 6,
};

enum oracle_op {
    ORACLE_AND = 1,
    ORACLE_OR,
    ORACLE_NOT,
    ORACLE_EQ,
    ORACLE_NE,
    ORACLE_LT,
    ORACLE_LE,
    ORACLE_GT,
    ORACLE_GE,
    ORACLE_BETWEEN,
    ORACLE_IN,
    ORACLE_STARTS
};

struct oracle_value {
    uint8_t bytes[ORACLE_VALUE_SIZE];
    uint32_t size;      /* that counts, of a prefix */
    uint32_t parameter; /* its number, or 0 */
};

struct oracle_node {
    enum oracle_op op;
    const struct oracle_node *children[ORACLE_CHILDREN];
    uint32_t child_count;
    const struct oracle_field *field;
    struct oracle_value values[ORACLE_VALUES];
    uint32_t value_count;
};

/* A total order: by these fields, then, unless `loose`, by timestamp. */
struct oracle_sort {
    uint32_t count;
    bool loose;
    const struct tactus_field *fields[ORACLE_COMPOSITE_FIELDS];
};

struct oracle_question {
    const struct oracle_store *store;
    struct oracle_node nodes[ORACLE_NODES];
    uint32_t node_count;
    const struct oracle_node *root; /* NULL: all */
    uint32_t parameter_count;
    uint32_t lookups; /* tests that an index might answer, each value of an `in` counted */
    char where[ORACLE_WHERE_SIZE];
    const struct oracle_field *order;
    bool descending;
    bool must_order;     /* it cannot be refused */
    uint32_t sort_count; /* the orders that it may come in: one index or the other gave it */
    struct oracle_sort sorts[ORACLE_SORTS];
};

void oracle_question_draw(
    struct oracle_question *question, const struct oracle_store *store, struct random *random
);

/* Gives every parameter its value. */
void oracle_question_bind(const struct oracle_question *question, tactus_query *query);

bool oracle_matches(const struct oracle_question *question, const struct oracle_object *object);

/* By sorts[sort], backwards if descending. */
int oracle_order(
    const struct oracle_question *question,
    uint32_t sort,
    const struct oracle_object *a,
    const struct oracle_object *b
);

#endif
