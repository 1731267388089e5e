/* From the text of a schema (docs/format.md, "Schema") to its collections.
 *
 *   schema      = { "collection" NAME "{" { field | composite } "}" }
 *   field       = NAME TYPE [ "(" NUMBER ")" ] { "optional" | "index" { "hash" | "sparse" } }
 *   composite   = "index" NAME "(" NAME { "," NAME } ")"
 *
 * Blanks and line ends separate; the words behind a type stand on its line; # begins a comment. */
#ifndef TACTUS_FOREST_SCHEMA_PARSER_H
#define TACTUS_FOREST_SCHEMA_PARSER_H

#include "base/status.h"
#include "forest/schema.h"
#include "forest/text_error.h"

#include <stdint.h>

/* Fills `schema`, whatever it held. SYNTAX: `error` (which may be NULL) has line, column and words,
 * and the schema must not be used. Takes no memory; the text is not kept. */
enum tactus_status schema_parse(
    const char *text, uint64_t size, struct schema *schema, struct text_error *error
) __attribute__((warn_unused_result));

#endif
