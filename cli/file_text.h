/* Small text files as a whole: schemas. */
#ifndef TACTUS_CLI_FILE_TEXT_H
#define TACTUS_CLI_FILE_TEXT_H

/* The file's text, zero-terminated, owned by the caller; "-" is standard input. 0, or an exit code
 * after complaining: not there, not readable, over 1 MiB, a zero byte inside. */
int file_text_read(const char *path, char **text);

#endif
