/* How fast templates are validated, as the loader and the API do it: read, checked against the schema of templates and all that
 * it cannot say, inputs compiled, files hashed, examples tried.
 *
 *   bench_templates FILE...           FNR_SHARE is where template.schema.json is
 *   bench_templates --lookup DATA     how long a handler looks for a template in the store of this data directory
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry.h"
#include "store/store.h"

#define ROUNDS 20

static int64_t processor_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t validate(const struct template_text *text)
{
	struct template_files parents = { NULL, 0, NULL, 0 };
	struct template_places places = { .parent = template_parent_files, .context = &parents };
	int64_t begin = processor_ns();
	struct template_draft *draft = template_draft_read(text, &places);
	struct json_object *report = template_report(draft);

	if (!template_draft_sound(draft))
		fnr_die("%s: %s", text->name, template_draft_error(draft)->message);
	json_object_put(report);
	template_draft_free(draft);
	return processor_ns() - begin;
}

/* The best of some rounds: others use this machine too. */
static int64_t best_time(const char *path)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	const char *slash = strrchr(path, '/');
	char *folder = slash ? fnr_memdup0(path, (size_t)(slash - path)) : fnr_strdup(".");
	int64_t best = INT64_MAX;

	if (fnr_file_read(path, 16 << 20, &text, &err) != FNR_OK)
		fnr_die("%s", err.message);
	for (int i = 0; i < ROUNDS; i++) {
		int64_t took = validate(&(struct template_text){ path, folder, true, text.data, text.len });

		best = took < best ? took : best;
	}
	fnr_buf_free(&text);
	free(folder);
	return best;
}

/* ---- lookup ---- */

#define LOOKUPS 100000
#define IN_USE 5             /* templates that are asked for again and again; more than a cache holds are all first ones */

struct ids { char (*items)[68]; size_t count; };

static bool take_id(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct ids *ids = context;

	(void)version, (void)digest, (void)source;
	ids->items = fnr_realloc(ids->items, (ids->count + 1) * sizeof *ids->items);
	snprintf(ids->items[ids->count++], sizeof ids->items[0], "%s", id);
	return true;
}

/* Nanoseconds for one, among the first `among` of them in turn; a transaction each, as a request has. */
static double lookup_ns(struct store *store, const struct ids *ids, size_t among, size_t count)
{
	int64_t begin = processor_ns();

	for (size_t i = 0; i < count; i++) {
		struct store_txn *txn = store_read(store, NULL);
		const struct template_ *template_;

		if (!txn || template_find(txn, ids->items[i * 7919 % among], &template_, NULL) != FNR_OK)
			fnr_die("%s is not found", ids->items[i * 7919 % among]);
		store_read_end(txn);
	}
	return (double)(processor_ns() - begin) / (double)count;
}

static int look_up(const char *data)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct ids ids = { 0 };
	struct store *store;
	struct store_txn *txn;

	if (chdir(data) != 0 || store_open(&store, false, &err) != FNR_OK)
		fnr_die("%s: %s", data, err.message);
	txn = store_read(store, &err);
	store_templates(txn, NULL, take_id, &ids);
	store_read_end(txn);
	lookup_ns(store, &ids, IN_USE < ids.count ? IN_USE : ids.count, 2 * IN_USE);
	printf("{\"templates\":%zu,\"in_use_us\":%.2f,", ids.count, lookup_ns(store, &ids, IN_USE < ids.count ? IN_USE : ids.count, LOOKUPS) / 1000);
	printf("\"first_us\":%.2f}\n", lookup_ns(store, &ids, ids.count, ids.count) / 1000);
	store_close(store);
	return 0;
}

int main(int argc, char **argv)
{
	int64_t all = 0, longest = 0;

	if (argc == 3 && strcmp(argv[1], "--lookup") == 0)
		return look_up(argv[2]);
	if (argc < 2)
		fnr_die("give files of templates");
	for (int i = 1; i < argc; i++) {
		int64_t took = best_time(argv[i]);

		all += took;
		longest = took > longest ? took : longest;
	}
	printf("{\"templates\":%d,\"average_us\":%lld,\"longest_us\":%lld}\n", argc - 1, (long long)(all / (argc - 1) / 1000), (long long)(longest / 1000));
	return 0;
}
