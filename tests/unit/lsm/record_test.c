#include "lsm/record.h"

#include "base/integer.h"
#include "support/test.h"

TEST(record, every_kind_finds_its_key)
{
    const uint64_t words[4] = {5, 6, 7 | RECORD_TOMBSTONE, 8};
    const struct record_shape object = record_shape_object(32, 16);
    const struct record_shape id64 = record_shape_id64();
    const struct record_shape id128 = record_shape_id128();
    const struct record_shape index64 = record_shape_index64();
    const struct record_shape index128 = record_shape_index128();

    EXPECT(key_equal(record_key(&object, words), key_from_u64(7)));
    EXPECT(key_equal(record_key(&id64, words), key_from_u64(5)));
    EXPECT(key_equal(record_key(&id128, words), key_from_u128(5, 6)));
    EXPECT(key_equal(record_key(&index64, words), key_from_prefix64(5, 6)));
    EXPECT(key_equal(record_key(&index128, words), key_from_prefix128(5, 6, 7)));
    EXPECT(record_timestamp(&index128, words) == 7);
}

TEST(record, bit_63_of_the_flag_word_is_the_tombstone_and_no_part_of_the_key)
{
    const struct record_shape shape = record_shape_index64();
    const uint64_t live[2] = {5, 6};
    const uint64_t dead[2] = {5, 6 | RECORD_TOMBSTONE};
    EXPECT(!record_is_tombstone(&shape, live));
    EXPECT(record_is_tombstone(&shape, dead));
    EXPECT(key_equal(record_key(&shape, live), record_key(&shape, dead)));
}

TEST(record, a_tombstone_has_the_key_of_its_record_and_nothing_else)
{
    const struct record_shape object = record_shape_object(32, 16);
    uint64_t words[4] = {5, 6, 7, 8};
    record_make_tombstone(&object, words);
    EXPECT(words[0] == 0 && words[1] == 0 && words[2] == (7 | RECORD_TOMBSTONE) && words[3] == 0);

    const struct record_shape id128 = record_shape_id128();
    uint64_t id[3] = {5, 6, 7};
    record_make_tombstone(&id128, id);
    EXPECT(id[0] == 5 && id[1] == 6 && id[2] == RECORD_TOMBSTONE);

    const struct record_shape index128 = record_shape_index128();
    uint64_t entry[3] = {5, 6, 7};
    record_make_tombstone(&index128, entry);
    EXPECT(entry[0] == 5 && entry[1] == 6 && entry[2] == (7 | RECORD_TOMBSTONE));

    const struct record_shape id64 = record_shape_id64();
    uint64_t both[2] = {5, 7 | RECORD_TOMBSTONE}; /* of a tombstone it makes the same one */
    record_make_tombstone(&id64, both);
    EXPECT(both[0] == 5 && both[1] == RECORD_TOMBSTONE);
}

TEST(record, a_map_has_a_value_behind_its_key)
{
    const struct record_shape narrow = record_shape_map(8, 8);
    EXPECT(narrow.record_size == 16 && narrow.key_bits == KEY_64 && narrow.flag_offset == 8);
    const struct record_shape shape = record_shape_map(16, 96);
    EXPECT(shape.record_size == 104);
    EXPECT(record_shape_has_filter(&shape));
    uint64_t words[13] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    record_shape_check(&shape);
    EXPECT(key_equal(record_key(&shape, words), key_from_u128(1, 2)));
    record_make_tombstone(&shape, words);
    EXPECT(words[0] == 1 && words[1] == 2 && words[2] == RECORD_TOMBSTONE);
    EXPECT(bytes_are_zero(&words[3], 80));
}

TEST_MAIN()
