/* Host names: RFC 1123, and with other characters than ASCII's RFC 5890 to 5893 (IDNA 2008), by libidn2. */
#ifndef FNR_SCHEMA_HOST_H
#define FNR_SCHEMA_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* Letters, digits and hyphens; a label that begins with xn-- stands for one that host_is_idn() takes. */
bool host_is_ascii(const char *text, size_t len);

/* The same, or labels with other characters as they are: in normal form, and where they stand nothing that RFC 5892 forbids
 * there. Labels are set apart by a full stop, U+002E, or one of those of East Asia, U+3002, U+FF0E and U+FF61. */
bool host_is_idn(const char *text, size_t len);

#endif
