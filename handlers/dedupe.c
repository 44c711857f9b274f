#include "handlers/dedupe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct hashing { struct request *req; struct fnr_sha256 *sha; };

static void add_text(struct hashing *h, const char *text)
{
	fnr_sha256_add(h->sha, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void add_string(struct hashing *h, const char *text)
{
	struct store_upload upload;
	struct fnr_id id;

	if (strncmp(text, "upload:", 7) == 0 && fnr_id_parse(text + 7, &id) && store_upload_get(h->req->txn, &id, &upload) == FNR_OK)
		fnr_sha256_add(h->sha, upload.sha256, sizeof upload.sha256);
	else
		add_text(h, text);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_value(struct hashing *h, struct json_object *value);

static void add_object(struct hashing *h, struct json_object *object)
{
	size_t count = (size_t)json_object_object_length(object), n = 0;
	const char **names = fnr_arena_alloc(h->req->arena, (count + 1) * sizeof *names);

	json_object_object_foreach(object, name, value) {
		(void)value;
		names[n++] = name;
	}
	qsort(names, n, sizeof *names, compare_names);
	for (size_t i = 0; i < n; i++) {
		add_text(h, names[i]);
		add_value(h, fnr_json_get(object, names[i]));
	}
}

/* Each kind of value begins with a letter of its own, and lists and objects with their length: no two are alike. */
static void add_value(struct hashing *h, struct json_object *value)
{
	char head[64];

	switch (json_object_get_type(value)) {
	case json_type_object:
		snprintf(head, sizeof head, "o%d", json_object_object_length(value));
		add_text(h, head);
		add_object(h, value);
		break;
	case json_type_array:
		snprintf(head, sizeof head, "a%zu", json_object_array_length(value));
		add_text(h, head);
		for (size_t i = 0; i < json_object_array_length(value); i++)
			add_value(h, json_object_array_get_idx(value, i));
		break;
	case json_type_string:
		add_text(h, "s");
		add_string(h, json_object_get_string(value));
		break;
	default:
		add_text(h, "v");
		add_text(h, value ? fnr_json_text(value, NULL) : "null");
	}
}

void dedupe_hash(struct request *req, const struct dedupe *dedupe, uint8_t hash_r[32])
{
	struct hashing h = { req, fnr_sha256_create() };
	char seed[32];

	snprintf(seed, sizeof seed, "%lld", (long long)dedupe->seed);
	add_text(&h, req->access.key);
	add_text(&h, dedupe->project);
	add_text(&h, dedupe->shot);
	add_text(&h, dedupe->digest);
	add_text(&h, dedupe->preset);
	add_text(&h, seed);
	add_value(&h, dedupe->inputs);
	fnr_sha256_end(h.sha, hash_r);
}
