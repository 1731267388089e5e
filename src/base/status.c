#include "base/status.h"

#include "base/assert.h"

#include "base/poison.h"

enum tactus_status fault_set(struct fault *fault, struct fault found)
{
    assert(found.status != TACTUS_OK);
    assert(found.what != NULL);

    if (fault != NULL && fault->status == TACTUS_OK) *fault = found;
    return found.status;
}

void fault_clear(struct fault *fault)
{
    assert(fault != NULL);
    *fault = (struct fault){.status = TACTUS_OK};
}
