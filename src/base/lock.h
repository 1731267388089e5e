/* A mutex, for what several threads of ours use: held for short, never over I/O, never twice. */
#ifndef TACTUS_BASE_LOCK_H
#define TACTUS_BASE_LOCK_H

#include "base/assert.h"

#include <pthread.h>

struct lock {
    pthread_mutex_t mutex;
};

/* A plain mutex can fail by misuse only: by a second init, or an unlock by another thread. */
static inline void lock_init(struct lock *lock)
{
    const int result = pthread_mutex_init(&lock->mutex, NULL);
    assert(result == 0);
}

static inline void lock_deinit(struct lock *lock)
{
    const int result = pthread_mutex_destroy(&lock->mutex);
    assert(result == 0);
}

static inline void lock_acquire(struct lock *lock)
{
    const int result = pthread_mutex_lock(&lock->mutex);
    assert(result == 0);
}

static inline void lock_release(struct lock *lock)
{
    const int result = pthread_mutex_unlock(&lock->mutex);
    assert(result == 0);
}

#endif
