/* fnr check: recounts a data directory and compares; running or stopped. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/check.h"
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

static void print(const struct fnr_buf *summary, const struct fnr_buf *report, size_t problems)
{
	printf("%s\n%s", summary->len ? summary->data : "", report->len ? report->data : "");
	if (problems)
		printf("%zu problem%s\n", problems, problems == 1 ? "" : "s");
	else
		printf("all is well\n");
}

static void print_json(const struct fnr_buf *summary, const struct fnr_buf *report, size_t problems)
{
	struct json_object *value = json_object_new_object(), *lines = json_object_new_array();

	for (const char *at = report->len ? report->data : ""; *at;) {
		size_t len = strcspn(at, "\n");

		json_object_array_add(lines, json_object_new_string_len(at, (int)len));
		at += len + (at[len] == '\n');
	}
	fnr_json_set_bool(value, "sound", problems == 0);
	fnr_json_set_text(value, "summary", summary->len ? summary->data : "");
	fnr_json_set_int(value, "count", (int64_t)problems);
	fnr_json_set(value, "problems", lines);
	printf("%s\n", fnr_json_text(value, NULL));
	json_object_put(value);
}

/* Goes into the data directory and recounts; EXIT_FAILED after saying why it cannot. */
static int recount(const char *data, struct fnr_buf *summary, struct fnr_buf *report, size_t *problems_r)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = NULL;
	struct store *store = NULL;

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
	*problems_r = store_check(txn, report, summary);
	store_read_end(txn);
	store_close(store);
	return EXIT_DONE;
}

static int check(const char *data)
{
	struct fnr_buf report = FNR_BUF_INIT, summary = FNR_BUF_INIT;
	size_t problems = 0;
	int status = recount(data, &summary, &report, &problems);

	if (status == EXIT_DONE && shared.json)
		print_json(&summary, &report, problems);
	else if (status == EXIT_DONE)
		print(&summary, &report, problems);
	fnr_buf_free(&report);
	fnr_buf_free(&summary);
	return problems ? EXIT_FAILED : status;
}

static int recount_quietly(const char *data)
{
	struct fnr_buf report = FNR_BUF_INIT, summary = FNR_BUF_INIT;
	size_t problems = 0;
	int status = recount(data, &summary, &report, &problems);

	if (problems)
		fprintf(stderr, "%s", report.len ? report.data : "");
	fnr_buf_free(&report);
	fnr_buf_free(&summary);
	return problems ? EXIT_FAILED : status;
}

bool check_apart(const char *data)
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(recount_quietly(data));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE;
}

static int run_check(int count, char **operands)
{
	(void)count, (void)operands;
	return check(data_dir(shared.client.data));
}

static const struct action actions[] = { { "", "", 0, 0, "recount everything, running or stopped", run_check }, ACTIONS_END };

const struct command command_check = { "check", "Recount everything in the store and compare", 8, USES_DATA | USES_JSON, actions, NULL };
