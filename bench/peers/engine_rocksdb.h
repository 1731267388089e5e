/* RocksDB behind the interface of bench/engine.h. */
#ifndef TACTUS_BENCH_PEERS_ENGINE_ROCKSDB_H
#define TACTUS_BENCH_PEERS_ENGINE_ROCKSDB_H

#include "bench/engine.h"

extern const struct bench_engine bench_engine_rocksdb;

#endif
