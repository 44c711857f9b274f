/* What the two files of the journal share: its sub-databases and its transactions. */
#ifndef FNR_STORE_JOURNAL_INTERNAL_H
#define FNR_STORE_JOURNAL_INTERNAL_H

#include "store/env.h"
#include "store/journal.h"

#define JOURNAL_DATABASES(X) \
	X(META, "meta") X(EVENT, "event") X(JOB_EVENT, "job_event") X(BATCH_EVENT, "batch_event") X(PROGRESS, "progress") \
	X(LOG, "log") X(PREVIEW, "preview") X(LIVE, "live")
enum journal_db {
#define X(name, text) JOURNAL_##name,
	JOURNAL_DATABASES(X)
#undef X
	JOURNAL_COUNT
};

struct journal_txn { struct env_txn t; struct journal *journal; };
struct journal {
	struct env env;
	struct journal_txn read;
	uint64_t generation;
	bool writer;
};

bool journal_event_parse(const MDB_val *key, const MDB_val *value, struct journal_event *event_r);

#endif
