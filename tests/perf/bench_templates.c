/* How fast templates are validated, as the loader and the API do it: read, checked against the schema of templates and all that
 * it cannot say, inputs compiled, files hashed, examples tried.
 *
 *   bench_templates FILE...      FNR_SHARE is where template.schema.json is
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry.h"

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

int main(int argc, char **argv)
{
	int64_t all = 0, longest = 0;

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
