/* fnr doctor: what its parts share. A finding says what was looked at, what was found, and, unless all is well, why it
 * matters and the command that mends it. */
#ifndef FNR_CLI_DOCTOR_H
#define FNR_CLI_DOCTOR_H

#include <stdbool.h>

#include "base/buf.h"

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

/* why and mend are printed unless the verdict is ok. Texts are copied. */
void finding(const char *name, enum verdict verdict, const char *why, const char *mend, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Runs a program for at most 10 s with nothing on its standard input; what it printed (both streams, 64 KiB at most) is in
 * out. True if it ended with status 0. */
bool doctor_run(char *const argv[], struct fnr_buf *out);

void doctor_build(void);
void doctor_kernel(void);
void doctor_limits(void);
void doctor_programs(void);
void doctor_fonts(void);
void doctor_data(const char *data);       /* an absolute path, or as it was given if there is no such directory */
bool doctor_running(const char *data);    /* does it answer? */
void doctor_backends(const char *data, bool running);

#endif
