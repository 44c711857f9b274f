/* What libFuzzer calls: see the file for what it does with the bytes. A finding is an abort or a sanitizer's report. */
#ifndef FNR_FUZZ_FUZZ_H
#define FNR_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
