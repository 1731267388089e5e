#include "storage/journal_entry.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "support/test.h"

static const struct journal_ring ring = {
    .file_id = {.low = 77, .high = 78},
    .journal_bytes = 64 * 4096,
    .entry_bytes_max = 4 * 4096,
};

static _Alignas(4096) uint8_t entry[4 * 4096];

static struct journal_header plain(uint64_t body_size)
{
    return (struct journal_header){
        .epoch = 3,
        .durable_op = 8,
        .offset = 2 * 4096,
        .predecessor = {.low = 5, .high = 6},
        .op = 9,
        .beat = 4,
        .timestamp = 123456789,
        .size = JOURNAL_HEADER_SIZE + body_size,
        .event_count = 2,
        .kind = JOURNAL_TRANSACTION,
    };
}

static struct checksum seal(const struct journal_header *header)
{
    for (uint64_t i = 0; i < sizeof entry; i += 1)
        entry[i] = (uint8_t)(i * 7 + 1);
    return journal_entry_seal(entry, header, &ring);
}

/* What someone who knows how to compute checksums can do. */
static void fix_up(uint8_t *bytes)
{
    checksum_store(bytes, journal_header_checksum_computed(bytes, ring.file_id));
}

TEST(journal_entry, decoding_gives_back_what_was_sealed)
{
    const struct journal_header given = plain(1000);
    const struct checksum logical = seal(&given);
    EXPECT(journal_header_fault(entry, &ring) == NULL);

    const struct journal_header found = journal_header_decode(entry);
    EXPECT(found.epoch == given.epoch && found.durable_op == given.durable_op);
    EXPECT(found.offset == given.offset && found.op == given.op && found.beat == given.beat);
    EXPECT(found.timestamp == given.timestamp && found.size == given.size);
    EXPECT(found.event_count == given.event_count && found.kind == given.kind);
    EXPECT(checksum_equal(found.predecessor, given.predecessor));
    EXPECT(checksum_equal(found.body_checksum, checksum_of(ring.file_id, entry + 256, 1000)));
    EXPECT(checksum_equal(logical, journal_header_logical_checksum(entry, ring.file_id)));
    EXPECT(journal_body_fault(entry, &found, &ring) == NULL);
}

TEST(journal_entry, bytes_are_little_endian_where_the_format_says)
{
    const struct journal_header given = plain(10);
    seal(&given);
    EXPECT(entry[16] == 3 && entry[24] == 8);
    EXPECT(entry[32] == 0 && entry[33] == 0x20);
    EXPECT(entry[64] == 5 && entry[72] == 6);
    EXPECT(entry[96] == 77 && entry[104] == 78);
    EXPECT(entry[112] == 9 && entry[120] == 4);
    EXPECT(load_u64(entry + 128) == 123456789);
    EXPECT(load_u64(entry + 136) == 266 && load_u32(entry + 144) == 2);
    EXPECT(entry[148] == JOURNAL_TRANSACTION && entry[149] == JOURNAL_ENTRY_VERSION);
}

TEST(journal_entry, rounding_counts_the_header)
{
    EXPECT(journal_entry_rounded(0) == 4096);
    EXPECT(journal_entry_rounded(4096 - 256) == 4096);
    EXPECT(journal_entry_rounded(4096 - 255) == 8192);
}

TEST(journal_entry, sealing_zeroes_what_follows_the_body)
{
    const struct journal_header given = plain(4096 - 256 + 1);
    seal(&given);
    EXPECT(bytes_are_zero(entry + 4097, 4095));
    EXPECT(entry[4096] == (uint8_t)(4096 * 7 + 1)); /* the body's last byte was left alone */
}

TEST(journal_entry, every_single_bit_matters)
{
    const struct journal_header given = plain(700);
    seal(&given);
    for (uint32_t bit = 0; bit < 4096 * 8; bit += 1) {
        entry[bit / 8] ^= (uint8_t)(1U << bit % 8);
        const char *fault = journal_header_fault(entry, &ring);
        EXPECT((fault != NULL) == (bit < JOURNAL_HEADER_SIZE * 8));
        if (fault == NULL) EXPECT(journal_body_fault(entry, &given, &ring) != NULL || bit < 2048);
        entry[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

TEST(journal_entry, a_body_that_was_changed_is_found)
{
    const struct journal_header given = plain(700);
    seal(&given);
    const struct journal_header header = journal_header_decode(entry);
    EXPECT(journal_body_fault(entry, &header, &ring) == NULL);
    entry[256 + 699] ^= 1;
    EXPECT(journal_body_fault(entry, &header, &ring) != NULL);
    entry[256 + 699] ^= 1;
    entry[256 + 700] ^= 1; /* padding, which no checksum covers */
    EXPECT(journal_body_fault(entry, &header, &ring) != NULL);
    entry[256 + 700] ^= 1;
    entry[4095] ^= 128;
    EXPECT(journal_body_fault(entry, &header, &ring) != NULL);
}

TEST(journal_entry, hostile_fields_with_valid_checksums_are_refused)
{
    struct {
        uint32_t offset, size;
        uint64_t value;
    } const cases[] = {
        {16, 8, 0},                 /* no epoch */
        {24, 8, 9},                 /* durable_op = op */
        {24, 8, UINT64_MAX},        /* above it */
        {32, 8, 1},                 /* askew */
        {32, 8, 64 * 4096},         /* behind the ring */
        {32, 8, UINT64_MAX - 4095}, /* would wrap around 2^64 */
        {40, 1, 1},                 /* reserved, physical */
        {63, 1, 255},               /* its last byte */
        {96, 1, 1},                 /* another file's */
        {112, 8, 0},                /* no op */
        {136, 8, 0},                /* no size */
        {136, 8, 255},              /* less than the header */
        {136, 8, 4 * 4096 + 1},     /* more than an entry can have */
        {136, 8, UINT64_MAX},       /* and much more */
        {148, 1, 0},                /* kinds that are none */
        {148, 1, 3},
        {148, 1, JOURNAL_CHECKPOINT}, /* with events */
        {149, 1, 2},                  /* versions to come */
        {150, 1, 2},                  /* flags to come */
        {151, 1, 1},                  /* reserved, logical */
        {255, 1, 1},
    };
    for (uint64_t i = 0; i < COUNT_OF(cases); i += 1) {
        const struct journal_header given = plain(700);
        seal(&given);
        if (cases[i].size == 8) store_u64(entry + cases[i].offset, cases[i].value);
        if (cases[i].size == 1) entry[cases[i].offset] = (uint8_t)cases[i].value;
        fix_up(entry);
        EXPECT(journal_header_fault(entry, &ring) != NULL);
    }
}

TEST(journal_entry, the_last_place_before_the_rings_end_is_the_last)
{
    struct journal_header given = plain(4096);
    given.offset = 62 * 4096;
    seal(&given);
    EXPECT(journal_header_fault(entry, &ring) == NULL);
    store_u64(entry + 32, 63 * 4096);
    fix_up(entry);
    EXPECT(journal_header_fault(entry, &ring) != NULL);
}

TEST(journal_entry, zeros_are_no_header)
{
    bytes_zero(entry, sizeof entry);
    EXPECT(journal_header_fault(entry, &ring) != NULL);
}

TEST(journal_entry, another_files_entry_is_no_entry)
{
    const struct journal_header given = plain(10);
    seal(&given);
    struct journal_ring other = ring;
    other.file_id.low += 1;
    EXPECT(journal_header_fault(entry, &other) != NULL);
}

TEST(journal_entry, the_logical_checksum_knows_nothing_of_the_copy)
{
    struct journal_header given = plain(300);
    const struct checksum first = seal(&given);
    given.epoch = 9;
    given.durable_op = 1;
    given.offset = 0;
    EXPECT(checksum_equal(first, seal(&given)));
    given.beat += 1;
    EXPECT(!checksum_equal(first, seal(&given)));
}

TEST(journal_entry, s3_says_what_is_current)
{
    /* epoch 5 began at op 10 */
    struct journal_header header = plain(0);
    header.op = 10;
    header.epoch = 5;
    EXPECT(journal_header_is_current(&header, 5, 10));
    header.epoch = 4; /* cut when epoch 5 began */
    EXPECT(!journal_header_is_current(&header, 5, 10));
    header.epoch = 6; /* from a superblock that was rolled back */
    EXPECT(!journal_header_is_current(&header, 5, 10));
    header.op = 9;
    header.epoch = 4;
    EXPECT(journal_header_is_current(&header, 5, 10));
    header.epoch = 1;
    EXPECT(journal_header_is_current(&header, 5, 10));
    header.epoch = 5;
    EXPECT(!journal_header_is_current(&header, 5, 10));
}

TEST_MAIN()
