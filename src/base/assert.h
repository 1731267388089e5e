#ifndef TACTUS_BASE_ASSERT_H
#define TACTUS_BASE_ASSERT_H

/* assert(fact)       on in every build: O(1), and without effect.
 * assert_slow(fact)  on under TACTUS_VERIFY only, in tests and fuzzing: may walk a structure.
 * maybe(fact)        compiled, never run: says that both answers are expected here.
 *
 * All are about our own logic. What a file or a caller says is checked, and answered by a status.
 * <assert.h> is banned: included later, it would put its own assert() in place of this one. */
#ifndef TACTUS_VERIFY
#define TACTUS_VERIFY 0
#endif

#define assert(fact) ((fact) ? (void)0 : assert_failed(#fact, __FILE__, __LINE__, __func__))
#define maybe(fact)  ((void)sizeof(!!(fact)))
#if TACTUS_VERIFY
#define assert_slow(fact) assert(fact)
#else
#define assert_slow(fact) maybe(fact)
#endif
#define static_assert _Static_assert

/* Says on standard error which fact did not hold, and aborts the process. */
_Noreturn void assert_failed(const char *fact, const char *file, int line, const char *function);

#endif
