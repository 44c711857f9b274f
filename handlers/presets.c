/* /presets: the quality levels. */
#include <string.h>

#include "handlers/common.h"
#include "handlers/handlers.h"

static bool preset_row(const char *id, const char *json, size_t len, void *context)
{
	struct json_object *preset = fnr_json_parse(json, len, NULL);

	(void)id;
	if (preset)
		json_object_array_add(context, preset);
	return true;
}

static int by_level(const void *a, const void *b)
{
	struct json_object *const *left = a, *const *right = b;

	return (int)(fnr_json_get_int(*left, "level", 0) - fnr_json_get_int(*right, "level", 0));
}

int presets_list(struct request *req)
{
	struct json_object *items = json_object_new_array();

	store_presets(req->txn, NULL, preset_row, items);
	json_object_array_sort(items, by_level);
	return common_reply_list(req, items, NULL);
}

int presets_show(struct request *req)
{
	int quality = fnr_quality_parse(req->args[0]);
	const char *id = quality >= 0 ? fnr_quality_name(quality) : req->args[0];
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *preset = NULL;

	if (store_preset_get(req->txn, id, &text) == FNR_OK)
		preset = common_parse(&text);
	fnr_buf_free(&text);
	if (!preset)
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no preset '%s'; there are draft, standard, high and ultra", req->args[0]);
	return reply_json(req, 200, preset);
}
