/* A growing byte buffer. `data` always ends with a 0 byte that `len` does not count (or is NULL when never used).
 * Start with FNR_BUF_INIT. Text that was added is not checked. */
#ifndef FNR_BASE_BUF_H
#define FNR_BASE_BUF_H

#include <stddef.h>
#include <stdarg.h>

struct fnr_buf {
	char *data;
	size_t len, size;
};
#define FNR_BUF_INIT { NULL, 0, 0 }

void fnr_buf_add(struct fnr_buf *buf, const void *data, size_t len);
void fnr_buf_puts(struct fnr_buf *buf, const char *text);
void fnr_buf_printf(struct fnr_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fnr_buf_vprintf(struct fnr_buf *buf, const char *format, va_list args);
char *fnr_buf_room(struct fnr_buf *buf, size_t room); /* at least `room` writable bytes behind len; add to len yourself */
void fnr_buf_drop(struct fnr_buf *buf, size_t len);   /* removes len bytes from the front */
void fnr_buf_reset(struct fnr_buf *buf);              /* empty, keeps the memory */
void fnr_buf_free(struct fnr_buf *buf);               /* empty, no memory */
char *fnr_buf_take(struct fnr_buf *buf);              /* hands the memory to the caller, who frees it; never NULL */

#endif
