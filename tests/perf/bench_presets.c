/* What presets cost: bench_presets DATA TEMPLATE PRESET... In the store of a running system, with all the presets there. Times are
 * of this process, which reads only. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/preset.h"

#define TURNS 20000

static int by_size(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

enum what { RESOLVE, ORIGINS, COMPATIBILITY };

/* Finding both, as a submission does, and then one of the three. */
static void use(struct store_txn *txn, const char *template_, const char *preset, enum what what)
{
	struct json_object *made, *origins = what == ORIGINS ? json_object_new_object() : NULL;
	const struct template_ *found;
	const struct preset *quality;
	struct fnr_error err = FNR_ERROR_INIT;

	if (template_find(txn, template_, &found, &err) != FNR_OK || preset_find(txn, preset, NULL, &quality, &err) != FNR_OK)
		fnr_die("%s", err.message);
	made = what == COMPATIBILITY ? preset_compatibility(found, quality) : parameters_resolve(found, quality, NULL, origins);
	json_object_put(made);
	json_object_put(origins);
}

static void measure(struct store_txn *txn, const char *template_, char **presets, int count, enum what what, const char *name)
{
	int64_t *times = fnr_alloc(TURNS * sizeof *times), begin;

	for (int i = 0; i < TURNS; i++) {
		begin = fnr_mono_ns();
		use(txn, template_, presets[i % count], what);
		times[i] = fnr_mono_ns() - begin;
	}
	qsort(times, TURNS, sizeof *times, by_size);
	printf("{\"name\":\"%s\",\"p50_us\":%.2f,\"p99_us\":%.2f}\n", name, (double)times[TURNS / 2] / 1e3, (double)times[TURNS * 99 / 100] / 1e3);
	free(times);
}

int main(int argc, char **argv)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store *store;
	struct store_txn *txn;

	if (argc < 4 || chdir(argv[1]) != 0)
		fnr_die("usage: bench_presets DATA TEMPLATE PRESET...");
	if (store_open(&store, false, &err) != FNR_OK || !(txn = store_read(store, &err)))
		fnr_die("%s", err.message);
	measure(txn, argv[2], argv + 3, argc - 3, RESOLVE, "resolve");
	measure(txn, argv[2], argv + 3, argc - 3, ORIGINS, "with origins");
	measure(txn, argv[2], argv + 3, argc - 3, COMPATIBILITY, "compatibility");
	store_read_end(txn);
	store_close(store);
	return 0;
}
