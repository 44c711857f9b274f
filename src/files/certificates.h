/* Files with certificates of authorities, as operators name them for servers of https:// (backends/trust.h). */
#ifndef FNR_FILES_CERTIFICATES_H
#define FNR_FILES_CERTIFICATES_H

#include "base/err.h"

/* Does the file hold certificates in PEM that can be read? FNR_E_NOT_FOUND, FNR_E_IO, FNR_E_INVALID. */
int certificates_check(const char *path, struct fnr_error *err);

#endif
