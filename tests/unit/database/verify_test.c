#include "database/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "support/care_fixture.h"
#include "support/test.h"

#include "base/poison.h"

TEST(verify, a_new_file_has_no_fault)
{
    struct simulated_disk *disk = care_disk_new(1);
    static struct care_verdict verdict;
    care_verify(disk, &verdict);
    (void)fputs(verdict.lines, stdout);
    EXPECT(verdict.status == TACTUS_OK);
    EXPECT(verdict.fault_count == 0);
    EXPECT(verdict.warning_count == 0);
    simulated_disk_free(disk);
}

TEST(verify, a_filled_file_has_no_fault)
{
    struct simulated_disk *disk = care_disk_filled(2, 3000, 200);
    static struct care_verdict verdict;
    care_verify(disk, &verdict);
    (void)fputs(verdict.lines, stdout);
    EXPECT(verdict.status == TACTUS_OK);
    EXPECT(verdict.fault_count == 0);
    EXPECT(verdict.warning_count == 0);
    simulated_disk_free(disk);
}

TEST_MAIN()
