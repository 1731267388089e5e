#ifndef TACTUS_BASE_POISON_H
#define TACTUS_BASE_POISON_H

/* Identifiers that no code of ours may use; the last include of every .c file, so that the headers
 * of libc, whose macros may use them, come before.
 *
 * Unbounded writes, hidden state, errors that look like values, memory of unknown size. */
#pragma GCC poison strcpy strcat strncat strncpy stpcpy sprintf vsprintf gets strtok
#pragma GCC poison atoi atol atoll atof sscanf tmpnam mktemp tempnam
#pragma GCC poison rand srand rand_r drand48 lrand48 mrand48
#pragma GCC poison asctime ctime gmtime localtime
#pragma GCC poison longjmp siglongjmp

/* macros of glibc: poisoning a macro is a warning */
#undef alloca
#undef strdupa
#undef strndupa
#pragma GCC poison alloca strdupa strndupa

#endif
