/* fnr check: recounts a data directory and compares; running or stopped. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "store/store.h"

int command_check(int argc, char **argv)
{
	const char *data = argc == 3 && strcmp(argv[1], "--data") == 0 ? argv[2] : "var";
	struct fnr_buf report = FNR_BUF_INIT, summary = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	struct store *store;
	struct store_txn *txn;
	size_t problems;

	if (chdir(data) != 0 || access("store", F_OK) != 0)
		fnr_die("there is no data directory %s; name one with --data DIR", data);
	if (store_open(&store, false, &err) != FNR_OK || !(txn = store_read(store, &err)))
		fnr_die("%s", err.message);
	problems = store_check(txn, &report, &summary);
	store_read_end(txn);
	store_close(store);
	printf("%s%s", summary.len ? summary.data : "", report.len ? report.data : "");
	printf("%zu problems\n", problems);
	fnr_buf_free(&report);
	fnr_buf_free(&summary);
	return problems ? 1 : 0;
}
