/* SQLite behind bench/engine.h. */
#ifndef TACTUS_BENCH_PEERS_ENGINE_SQLITE_H
#define TACTUS_BENCH_PEERS_ENGINE_SQLITE_H

#include "bench/engine.h"

extern const struct bench_engine bench_engine_sqlite;

#endif
