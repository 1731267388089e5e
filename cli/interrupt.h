/* SIGINT and SIGTERM end a long command in order: it looks here between two steps. */
#ifndef TACTUS_CLI_INTERRUPT_H
#define TACTUS_CLI_INTERRUPT_H

#include <signal.h>

/* The number of the signal that came, or 0. The handler alone writes it. */
extern volatile sig_atomic_t interrupted;

/* From here on the first signal is noted in `interrupted`, and a second one ends the process at
 * once. A read that waits for a pipe is ended by the signal, too. */
void interrupt_catch(void);

#endif
