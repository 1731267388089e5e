/* The command `bench` over a choice of engines: `tactus bench` has Tactus alone, the program
 * `tactus-bench` others beside it. */
#ifndef TACTUS_CLI_BENCH_H
#define TACTUS_CLI_BENCH_H

#include "arguments.h"
#include "bench/engine.h"

/* Runs the workload that words[0] names over those of the engines (closed by NULL) that --engine
 * chooses. Answers an exit code. */
int bench_command(const struct arguments *arguments, const struct bench_engine *const *engines);

#endif
