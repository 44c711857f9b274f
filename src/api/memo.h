/* Answers that take long to work out, by a digest of all that they depend on, in memory that processes share: who comes next with the
 * same question, whichever process serves him, gets the same answer. A table of fixed size: of those that would have the same
 * few places the one leaves that was asked for longest ago.
 *
 * There are no locks. An entry carries a sum over its key and its bytes; what is read is copied first, and is an answer only if
 * the sum fits. So what two writers leave who were at it at the same time, or one who was killed, is as if it were not there. */
#ifndef FNR_API_MEMO_H
#define FNR_API_MEMO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define MEMO_KEY 32
#define MEMO_ENTRIES 256           /* 2 MiB with all their bytes */
#define MEMO_MOST 8120             /* bytes of one answer; larger ones are not kept */

/* All zeros: it knows nothing. Pages of entries exist once they were written. */
struct memo {
	_Atomic uint32_t clock;
	_Alignas(4096) struct memo_entry {
		uint8_t sum[32], key[MEMO_KEY];
		_Atomic uint32_t len, used;
		char data[MEMO_MOST];
	} entries[MEMO_ENTRIES];
};

bool memo_get(struct memo *memo, const uint8_t key[MEMO_KEY], struct fnr_buf *out);   /* appends it */
void memo_put(struct memo *memo, const uint8_t key[MEMO_KEY], const void *data, size_t len);

#endif
