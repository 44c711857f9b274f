/* Templates that others extend, looked for in files: for who has no store at hand. */
#include <stdio.h>
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
	struct fnr_buf versions, ids;   /* of that id, but another version; all that were seen, each ended by 0 */
};

static bool fits(struct search *search, struct json_object *value, struct store_version *version)
{
	const char *id = fnr_json_get_text(value, "id", "");

	if (template_version_parse(fnr_json_get_text(value, "version", ""), version) != 3)
		return false;
	fnr_buf_add(&search->ids, id, strlen(id) + 1);
	if (strcmp(id, search->id) != 0)
		return false;
	if (template_version_fits(*version, search->wanted, search->parts))
		return true;
	fnr_buf_printf(&search->versions, "%s%s", search->versions.len ? ", " : "", fnr_json_get_text(value, "version", ""));
	return false;
}

static void look_at(struct search *search, const char *path)
{
	struct json_object *value = template_parse_file(path, NULL);
	struct store_version version;

	if (fits(search, value, &version) && (!search->path || template_version_compare(version, search->best) > 0)) {
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

#define NAMES_MOST 512

static int not_found(const struct search *search, const char *reference, struct fnr_error *err)
{
	const char *names[NAMES_MOST], *nearest;
	size_t count = 0;

	if (search->versions.len)
		return fnr_fail(err, FNR_E_NOT_FOUND, "there is no version %.40s of template '%s'; there are %.200s", strchr(reference, '@') + 1, search->id,
		                search->versions.data);
	for (size_t at = 0; at < search->ids.len && count < NAMES_MOST; at += strlen(search->ids.data + at) + 1)
		names[count++] = search->ids.data + at;
	nearest = fnr_text_nearest(search->id, names, count);
	if (nearest && err)
		snprintf(err->suggestion, sizeof err->suggestion, "did you mean '%.64s'?", nearest);
	return fnr_fail(err, FNR_E_NOT_FOUND, "there is no template '%.64s' among the files beside it, of the data directory, or shipped", search->id);
}

static int give(const char *path, struct template_text *text_r, struct fnr_error *err)
{
	const char *slash = strrchr(path, '/');
	struct fnr_buf text = FNR_BUF_INIT;
	int code = fnr_file_read(path, TEMPLATE_MOST, &text, err);

	if (code != FNR_OK) {
		fnr_buf_free(&text);
		return code;
	}
	*text_r = (struct template_text){ fnr_strdup(strncmp(path, "./", 2) == 0 ? path + 2 : path),
		                          slash ? fnr_memdup0(path, (size_t)(slash - path)) : fnr_strdup("."), !scan_is_json(path), NULL, text.len };
	text_r->text = fnr_buf_take(&text);
	return FNR_OK;
}

int template_parent_files(const char *reference, struct template_text *text_r, void *context, struct fnr_error *err)
{
	const struct template_files *files = context;
	size_t len = strcspn(reference, "@");
	char *id = fnr_memdup0(reference, len);
	struct search search = { .id = id };
	int code = FNR_OK;

	if (reference[len] && (search.parts = template_version_parse(reference + len + 1, &search.wanted)) == 0)
		code = fnr_fail(err, FNR_E_NOT_FOUND, "'%.40s' is not a version; write it like 1, 1.2 or 1.2.0", reference + len + 1);
	for (size_t i = 0; code == FNR_OK && i < files->file_count; i++)
		look_at(&search, files->files[i]);
	for (size_t i = 0; code == FNR_OK && i < files->folder_count && !search.path; i++)
		look_in(&search, files->folders[i]);
	if (code == FNR_OK)
		code = search.path ? give(search.path, text_r, err) : not_found(&search, reference, err);
	free(id);
	free(search.path);
	fnr_buf_free(&search.versions);
	fnr_buf_free(&search.ids);
	return code;
}
