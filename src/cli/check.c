/* fnr check: recounts a data directory and compares; running or stopped. fnr config: all there is to configure. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "cli/cli.h"
#include "store/store.h"

/* LMDB reads the file as memory: one that was cut off, or a disk that fails, ends in a signal and not in an error. */
static void on_bus_error(int number)
{
	static const char text[] = "fnr: the store cannot be read: its file is shorter than what it should hold, or the disk fails; restore it "
	                           "from a backup\n";

	(void)number;
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
		/* nothing more can be said */
	}
	_exit(EXIT_FAILED);
}

static int check(const char *data)
{
	struct fnr_buf report = FNR_BUF_INIT, summary = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = NULL;
	struct store *store = NULL;
	size_t problems;

	signal(SIGBUS, on_bus_error);
	if (chdir(data) != 0 || access("store", F_OK) != 0) {
		fprintf(stderr, "fnr: %s is no data directory; name one with --data DIR\n", data);
		return EXIT_FAILED;
	}
	if (store_open(&store, false, &err) == FNR_OK)
		txn = store_read(store, &err);
	if (!txn) {
		fprintf(stderr, "fnr: the store in %s cannot be read: %s\n", data, err.message);
		store_close(store);
		return EXIT_FAILED;
	}
	problems = store_check(txn, &report, &summary);
	store_read_end(txn);
	store_close(store);
	printf("%s\n%s", summary.len ? summary.data : "", report.len ? report.data : "");
	if (problems)
		printf("%zu problem%s\n", problems, problems == 1 ? "" : "s");
	else
		printf("all is well\n");
	fnr_buf_free(&report);
	fnr_buf_free(&summary);
	return problems ? EXIT_FAILED : EXIT_DONE;
}

static int run_check(const struct command *command, int argc, char **argv)
{
	const char *data = NULL;
	const struct option_row rows[] = {
		{ "--data", 0, OPTION_TEXT, &data, 0, 0, "DIR", "the data directory (default FNR_DATA_DIR, else ./var)" },
		{ 0 },
	};
	int operands, status = options_take(command, rows, argc, argv, &operands);

	if (status >= 0)
		return status;
	if (operands)
		return usage_error(command, "fnr check takes no operand '%s'", argv[1]);
	return check(data_dir(data));
}

const struct command command_check = { "check", "fnr check [--data DIR]", "Recount everything in the store and compare", run_check };

static int run_config(const struct command *command, int argc, char **argv)
{
	const struct option_row rows[] = { { 0 } };
	int operands, status = options_take(command, rows, argc, argv, &operands);
	char *sample;

	if (status >= 0)
		return status;
	sample = fnr_conf_sample();
	fputs(sample, stdout);
	free(sample);
	return EXIT_DONE;
}

const struct command command_config = { "config", "fnr config", "Print every setting with its default, as a config.yaml", run_config };
