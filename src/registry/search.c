/* Templates that others extend, looked for in files: for who has no store at hand. */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "registry/scan.h"

#define TEMPLATE_MOST (1u << 20)

struct search {
	const char *id;
	struct store_version wanted, best;
	int parts;
	char *path;             /* of the best one */
};

static void look_at(struct search *search, const char *path)
{
	struct json_object *value = template_parse_file(path, NULL);
	struct store_version version;

	if (strcmp(fnr_json_get_text(value, "id", ""), search->id) == 0 && template_version_parse(fnr_json_get_text(value, "version", ""), &version) == 3 &&
	    template_version_fits(version, search->wanted, search->parts) && (!search->path || template_version_compare(version, search->best) > 0)) {
		free(search->path);
		search->path = fnr_strdup(path);
		search->best = version;
	}
	json_object_put(value);
}

static void look_in(struct search *search, const char *folder)
{
	const char *folders[] = { folder };
	struct scan scan;

	scan_open(&scan, folders, 1, false);
	scan_look(&scan);
	for (size_t i = 0; i < scan.count; i++)
		look_at(search, scan.entries[i]->path);
	scan_close(&scan);
}

int template_parent_files(const char *reference, struct template_text *text_r, void *context, struct fnr_error *err)
{
	const struct template_files *files = context;
	size_t len = strcspn(reference, "@");
	char *id = fnr_memdup0(reference, len);
	struct search search = { .id = id };
	struct fnr_buf text = FNR_BUF_INIT;
	int code = FNR_OK;

	if (reference[len])
		search.parts = template_version_parse(reference + len + 1, &search.wanted);
	for (size_t i = 0; i < files->file_count; i++)
		look_at(&search, files->files[i]);
	for (size_t i = 0; i < files->folder_count && !search.path; i++)
		look_in(&search, files->folders[i]);
	free(id);
	if (!search.path)
		return fnr_fail(err, FNR_E_NOT_FOUND, "there is no template '%.64s' among the files beside it, of the data directory, or shipped", reference);
	code = fnr_file_read(search.path, TEMPLATE_MOST, &text, err);
	if (code == FNR_OK) {
		const char *slash = strrchr(search.path, '/');

		*text_r = (struct template_text){ search.path, slash ? fnr_memdup0(search.path, (size_t)(slash - search.path)) : fnr_strdup("."),
		                                  !scan_is_json(search.path), NULL, text.len };
		text_r->text = fnr_buf_take(&text);
	} else {
		free(search.path);
	}
	fnr_buf_free(&text);
	return code;
}
