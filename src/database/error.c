#include "database/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#include "base/poison.h"

struct writer {
    char *text;
    size_t size;
    size_t used;
};

static void write_format(struct writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void write_format(struct writer *writer, const char *format, ...)
{
    if (writer->used >= writer->size) return;
    va_list arguments;
    va_start(arguments, format);
    const int count =
        vsnprintf(writer->text + writer->used, writer->size - writer->used, format, arguments);
    va_end(arguments);
    if (count > 0) writer->used += (size_t)count;
}

/* Its upper half is enough to tell two apart, where the whole would cost the remedy its room. */
static void write_checksum(struct writer *writer, const char *name, struct checksum checksum)
{
    write_format(writer, "%s%016llx", name, (unsigned long long)checksum.high);
    if (writer->size <= sizeof((struct tactus_error *)0)->text) return;
    write_format(writer, "%016llx", (unsigned long long)checksum.low);
}

static const char *zone_name(enum fault_zone zone)
{
    switch (zone) {
    case FAULT_ZONE_NONE: return "none";
    case FAULT_ZONE_SUPERBLOCK: return "superblock";
    case FAULT_ZONE_JOURNAL: return "journal";
    case FAULT_ZONE_GRID: return "grid";
    case FAULT_ZONE_FILE: return "file";
    }
    assert(false);
    return "";
}

static const char *block_type_name(uint8_t type)
{
    static const char *const names[] = {
        "any", "free-set", "state", "schema", "manifest", "root", "leaf", "value", "filter"};
    return type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

/* zone=journal op=7 byte=8192 wanted=... found=... acknowledged=yes */
static void write_place(struct writer *writer, const struct fault *fault)
{
    write_format(writer, "zone=%s", zone_name(fault->zone));
    if (fault->op != 0) write_format(writer, " op=%llu", (unsigned long long)fault->op);
    if (fault->address != 0) {
        write_format(writer, " block=%llu", (unsigned long long)fault->address);
    }
    if (fault->block_type != 0)
        write_format(writer, " type=%s", block_type_name(fault->block_type));
    if (fault->tree != 0) {
        write_format(writer, " tree=%u level=%u", (unsigned)fault->tree, (unsigned)fault->level);
    }
    write_format(writer, " byte=%llu", (unsigned long long)fault->byte);
    if (fault->has_checksums) {
        write_checksum(writer, " wanted=", fault->wanted);
        write_checksum(writer, " found=", fault->found);
    }
    if (fault->acknowledged == FAULT_YES) write_format(writer, " acknowledged=yes");
    if (fault->acknowledged == FAULT_NO) write_format(writer, " acknowledged=no");
}

/* What to do when the place that noticed had no better advice. */
static const char *remedy_of(const struct fault *fault)
{
    if (fault->remedy != NULL) return fault->remedy;
    switch (fault->status) {
    case TACTUS_CORRUPT: return "run `tactus verify`, restore the file from a copy";
    case TACTUS_FULL: return "free space on the disk; removes and reads go on";
    case TACTUS_LIMIT: return "remove objects, or make a file with higher limits";
    case TACTUS_POISONED: return "close and reopen the file: what is durable is recovered";
    case TACTUS_BUSY: return "wait for the other process, or end it";
    case TACTUS_IO: return "see to the device or the path, then reopen";
    case TACTUS_VERSION: return "use a version of Tactus that knows this format";
    case TACTUS_READ_ONLY: return "open the file for writing";
    case TACTUS_OK:
    case TACTUS_EXISTS:
    case TACTUS_ABSENT:
    case TACTUS_INVALID:
    case TACTUS_SOME:
    case TACTUS_SYNTAX:
    case TACTUS_SCHEMA:
    case TACTUS_EXPIRED:
    case TACTUS_FORKED:
    case TACTUS_MISUSE: return "see the documentation of the call";
    }
    return "see the documentation of the call";
}

void error_fault_line(char *line, size_t size, const struct fault *fault)
{
    assert(size > 0);

    struct writer writer = {.text = line, .size = size};
    line[0] = 0;
    const char *what = fault->what != NULL ? fault->what : tactus_status_text(fault->status);
    switch ((int)fault->status) {
    case TACTUS_CORRUPT:
        write_format(&writer, "corrupt: ");
        write_place(&writer, fault);
        write_format(&writer, ": %s; %s", what, remedy_of(fault));
        break;
    case TACTUS_ABSENT: write_format(&writer, "open: %s; name another, or create it", what); break;
    case TACTUS_BUSY:
        write_format(&writer, "open: %s", what);
        if (fault->found_number != 0) {
            write_format(&writer, " (process %llu)", (unsigned long long)fault->found_number);
        }
        write_format(&writer, "; %s", remedy_of(fault));
        break;
    case TACTUS_VERSION:
        write_format(
            &writer,
            "open: %s: format %llu, this library knows %llu; %s",
            what,
            (unsigned long long)fault->found_number,
            (unsigned long long)fault->wanted_number,
            remedy_of(fault)
        );
        break;
    default:
        write_format(&writer, "%s", what);
        if (fault->byte != 0) write_format(&writer, " byte=%llu", (unsigned long long)fault->byte);
        if (fault->os_error != 0) write_format(&writer, ": %s", strerror(fault->os_error));
        write_format(&writer, "; %s", remedy_of(fault));
    }
}

void error_find_byte(struct fault *fault, const struct layout *layout)
{
    if (fault->zone != FAULT_ZONE_GRID || fault->byte != 0) return;
    if (fault->address == 0 || fault->address > layout->block_count_max) return;
    fault->byte = layout_block_offset(layout, fault->address);
}

enum tactus_status error_from_fault(struct tactus_error *error, const struct fault *fault)
{
    assert(fault->status != TACTUS_OK);

    /* ABSENT is about objects and names in a file: that a file is not there, the system says. */
    const bool no_file = fault->status == TACTUS_ABSENT && fault->zone == FAULT_ZONE_FILE;
    const enum tactus_status status = no_file ? TACTUS_IO : fault->status;
    if (error != NULL) {
        *error = (struct tactus_error){.status = (int32_t)status, .byte = fault->byte};
        error_fault_line(error->text, sizeof error->text, fault);
    }
    return status;
}

enum tactus_status error_set(
    struct tactus_error *error, enum tactus_status status, const char *format, ...
)
{
    if (error == NULL) return status;
    *error = (struct tactus_error){.status = (int32_t)status};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

enum tactus_status error_from_text(
    struct tactus_error *error, enum tactus_status status, const struct text_error *words
)
{
    (void)error_set(error, status, "%s", words->text);
    if (error == NULL) return status;
    error->line = words->line;
    error->column = words->column;
    return status;
}
