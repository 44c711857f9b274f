/* Finding templates: by reference in the store's list of versions, compiled by digest in a small cache. A digest names
 * its content, so what is in the cache never becomes stale. There is a cache in each of many processes: it is bounded by bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "registry/internal.h"
#include "schema/schema.h"

#define CACHE 64
#define CACHE_BYTES (128u << 10)
#define CACHE_LEAST 8         /* so many stay whatever they take */
#define NAMES_MOST 512
#define VERSIONS_NAMED 200    /* bytes, about */

struct template_ {
	uint8_t digest[32];
	char hex[FNR_SHA256_TEXT];
	char id[68], version[40];
	uint64_t used;
	size_t memory;                          /* of the definition, about */
	struct json_object *definition, *input_schema;   /* the latter, where the inputs make it, made when it is first asked for */
	double weight[FNR_STAGE_COUNT];
	const char *message[FNR_STAGE_COUNT];   /* in definition, or a constant */
	struct schema *inputs;                  /* compiled when it is first needed */
};

static struct template_ *cache[CACHE];
static size_t cached, cached_bytes;
static uint64_t uses;

static const char *const usual_messages[FNR_STAGE_COUNT] = { "Waiting in the queue", "Getting ready…", "Working…", "Filing the result…" };
static const double usual_weights[FNR_STAGE_COUNT] = { 0, 0.05, 0.9, 0.05 };

static void compile_stages(struct template_ *template_)
{
	struct json_object *stages = fnr_json_get(template_->definition, "stages");
	double sum = 0;

	for (int stage = 0; stage < FNR_STAGE_COUNT; stage++) {
		struct json_object *own = fnr_json_get(stages, fnr_stage_name(stage));

		template_->message[stage] = fnr_json_get_text(own, "message", usual_messages[stage]);
		template_->weight[stage] = stage == FNR_STAGE_QUEUE ? 0 : fnr_json_get_real(own, "weight", usual_weights[stage]);
		sum += template_->weight[stage];
	}
	for (int stage = 0; stage < FNR_STAGE_COUNT; stage++)
		template_->weight[stage] = sum > 0 ? template_->weight[stage] / sum : usual_weights[stage];
}

static struct template_ *compile(const uint8_t digest[32], struct json_object *definition)
{
	struct template_ *template_ = fnr_alloc(sizeof *template_);

	memcpy(template_->digest, digest, 32);
	fnr_hex(digest, 32, template_->hex);
	template_->definition = definition;
	fnr_text_copy(template_->id, sizeof template_->id, fnr_json_get_text(definition, "id", ""));
	fnr_text_copy(template_->version, sizeof template_->version, fnr_json_get_text(definition, "version", ""));
	compile_stages(template_);
	return template_;
}

static void drop(size_t at)
{
	struct template_ *template_ = cache[at];

	cached_bytes -= template_->memory;
	cache[at] = cache[--cached];
	schema_free(template_->inputs);
	json_object_put(template_->input_schema);
	json_object_put(template_->definition);
	free(template_);
}

/* What was used least recently leaves, until there is room for one of so many bytes. */
static void make_room(size_t memory)
{
	while (cached == CACHE || (cached >= CACHE_LEAST && cached_bytes + memory > CACHE_BYTES)) {
		size_t oldest = 0;

		for (size_t i = 1; i < cached; i++)
			if (cache[i]->used < cache[oldest]->used)
				oldest = i;
		drop(oldest);
	}
}

static struct template_ *cached_one(const uint8_t digest[32])
{
	for (size_t i = 0; i < cached; i++)
		if (memcmp(cache[i]->digest, digest, 32) == 0)
			return cache[i];
	return NULL;
}

int template_find_digest(struct store_txn *txn, const uint8_t digest[32], const struct template_ **template_r, struct fnr_error *err)
{
	struct template_ *found = cached_one(digest);
	struct json_object *definition;
	size_t memory;

	if (!found) {
		int code = store_definition_get(txn, digest, &definition, &memory);

		if (code == FNR_E_CORRUPT)
			return fnr_fail(err, code, "the definition of the template cannot be read; run fnr check");
		if (code != FNR_OK)
			return fnr_fail(err, FNR_E_NOT_FOUND, "the definition of the template is not stored");
		make_room(memory);
		cache[cached++] = found = compile(digest, definition);
		found->memory = memory;
		cached_bytes += memory;
	}
	found->used = ++uses;
	*template_r = found;
	return FNR_OK;
}

/* ---- by reference ---- */

struct wanted {
	struct store_txn *txn;
	const char *id;
	struct store_version version;
	int parts;
	bool known, found;       /* found: in digest; a deprecated one goes on being looked behind */
	uint8_t digest[32];
	struct fnr_buf versions;
};

static bool version_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct wanted *wanted = context;
	char text[40];

	(void)source;
	wanted->known = true;
	if (template_version_fits(version, wanted->version, wanted->parts)) {
		bool deprecated = store_deprecation_get(wanted->txn, id, version, NULL) == FNR_OK;

		if (!wanted->found || !deprecated)
			memcpy(wanted->digest, digest, 32);
		wanted->found = true;
		return deprecated;
	}
	template_version_format(version, text);
	if (wanted->versions.len < VERSIONS_NAMED)
		fnr_buf_printf(&wanted->versions, "%s%s", wanted->versions.len ? ", " : "", text);
	return true;
}

struct id_list { char ids[NAMES_MOST][68]; size_t count; };

static bool id_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct id_list *list = context;

	(void)version, (void)digest, (void)source;
	if (list->count == 0 || strcmp(list->ids[list->count - 1], id) != 0)
		fnr_text_copy(list->ids[list->count++], sizeof list->ids[0], id);
	return list->count < NAMES_MOST;
}

static int unknown(struct store_txn *txn, const char *id, struct fnr_error *err)
{
	struct id_list *list;
	const char *names[NAMES_MOST], *nearest;
	struct fnr_buf all = FNR_BUF_INIT;

	if (!err)
		return FNR_E_NOT_FOUND;
	list = fnr_alloc(sizeof *list);
	store_templates(txn, NULL, id_row, list);
	for (size_t i = 0; i < list->count; i++) {
		names[i] = list->ids[i];
		if (i < 8)
			fnr_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	}
	nearest = fnr_text_nearest(id, names, list->count);
	fnr_fail(err, FNR_E_NOT_FOUND, "there is no template '%.64s'", id);
	if (nearest)
		snprintf(err->suggestion, sizeof err->suggestion, "did you mean '%s'?", nearest);
	else
		snprintf(err->suggestion, sizeof err->suggestion, "there are: %.200s%s", all.len ? all.data : "none", list->count > 8 ? ", …" : "");
	fnr_buf_free(&all);
	free(list);
	return FNR_E_NOT_FOUND;
}

int template_find_reference(struct store_txn *txn, const char *reference, uint8_t digest_r[32], struct fnr_error *err)
{
	const char *at = strchr(reference, '@');
	size_t len = at ? (size_t)(at - reference) : strlen(reference);
	struct wanted wanted = { .txn = txn, .versions = FNR_BUF_INIT };
	char id[68];
	int code;

	if (len >= sizeof id)
		return fnr_fail(err, FNR_E_NOT_FOUND, "there is no template of so long a name");
	memcpy(id, reference, len);
	id[len] = 0;
	wanted.id = id;
	if (at && (wanted.parts = template_version_parse(at + 1, &wanted.version)) == 0)
		return fnr_fail(err, FNR_E_NOT_FOUND, "'%.40s' is not a version; write it like 1, 1.2 or 1.2.0", at + 1);
	if (fnr_name_valid(id))
		store_templates(txn, id, version_row, &wanted);
	if (wanted.found) {
		memcpy(digest_r, wanted.digest, 32);
		code = FNR_OK;
	} else if (wanted.known) {
		code = fnr_fail(err, FNR_E_NOT_FOUND, "there is no version %.40s of template '%s'; there are %.200s", at + 1, id, wanted.versions.data);
	} else {
		code = unknown(txn, id, err);
	}
	fnr_buf_free(&wanted.versions);
	return code;
}

int template_find(struct store_txn *txn, const char *reference, const struct template_ **template_r, struct fnr_error *err)
{
	uint8_t digest[32];
	int code = template_find_reference(txn, reference, digest, err);

	return code == FNR_OK ? template_find_digest(txn, digest, template_r, err) : code;
}

/* ---- what is in it ---- */

const struct schema *template_input_program(const struct template_ *template_)
{
	struct template_ *own = (struct template_ *)(uintptr_t)template_;

	if (!own->inputs && strcmp(fnr_json_get_text(own->definition, "input_form", ""), "schema") == 0)
		own->inputs = schema_compile(template_input_schema(template_), NULL, NULL);
	return own->inputs;
}

struct json_object *template_input_schema(const struct template_ *template_)
{
	struct template_ *own = (struct template_ *)(uintptr_t)template_;

	if (fnr_json_get(own->definition, "input_schema"))
		return fnr_json_get(own->definition, "input_schema");
	if (!own->input_schema)
		own->input_schema = inputs_schema(fnr_json_get(own->definition, "inputs"));
	return own->input_schema;
}

const char *template_id(const struct template_ *template_) { return template_->id; }
const char *template_version(const struct template_ *template_) { return template_->version; }
const char *template_digest(const struct template_ *template_) { return template_->hex; }
struct json_object *template_definition(const struct template_ *template_) { return template_->definition; }
const char *template_queue(const struct template_ *template_) { return fnr_json_get_text(template_->definition, "queue", "cpu"); }

int template_max_attempts(const struct template_ *template_, int fallback)
{
	int64_t most = fnr_json_get_int(fnr_json_get(template_->definition, "retry"), "max_attempts", fallback);

	return most < 1 ? 1 : most > 100 ? 100 : (int)most;
}

bool template_on_lost_fail(const struct template_ *template_)
{
	return strcmp(fnr_json_get_text(template_->definition, "on_lost", "retry"), "fail") == 0;
}

const char *template_stage_message(const struct template_ *template_, enum fnr_stage stage)
{
	return template_->message[stage];
}

double template_stage_weight(const struct template_ *template_, enum fnr_stage stage)
{
	return template_->weight[stage];
}
