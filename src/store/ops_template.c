/* Changes among templates, as the loader and the API post them.
 *
 *   a change   u8 what; texts id, source; u32 major, minor, patch; u8 expect, yaml; bytes expected; bytes digest;
 *              bytes definition (packed JSON, none if there is none); text text; u8 1 and text report, or u8 0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json_pack.h"
#include "base/mem.h"
#include "base/pack.h"
#include "store/internal.h"
#include "store/ops.h"

#define DIGEST_SIZE 32

/* ---- encoding ---- */

void op_templates_begin(struct fnr_buf *out, size_t count)
{
	fnr_put_u8(out, OP_TEMPLATES);
	fnr_put_u32(out, (uint32_t)count);
}

static void put_definition(struct fnr_buf *out, struct json_object *definition)
{
	struct fnr_buf packed = FNR_BUF_INIT;

	if (definition)
		fnr_json_pack(&packed, definition);
	fnr_put_bytes(out, packed.data, packed.len);
	fnr_buf_free(&packed);
}

void op_template_add(struct fnr_buf *out, const struct op_template *change)
{
	fnr_put_u8(out, (uint8_t)change->what);
	fnr_put_text(out, change->id);
	fnr_put_text(out, change->source);
	fnr_put_u32(out, change->version.major);
	fnr_put_u32(out, change->version.minor);
	fnr_put_u32(out, change->version.patch);
	fnr_put_u8(out, (uint8_t)change->expect);
	fnr_put_u8(out, change->yaml);
	fnr_put_bytes(out, change->expected, sizeof change->expected);
	fnr_put_bytes(out, change->digest ? change->digest : change->expected, DIGEST_SIZE);
	put_definition(out, change->definition);
	fnr_put_text(out, change->text);
	fnr_put_u8(out, change->report != NULL);
	if (change->report)
		fnr_put_text(out, change->report);
}

/* ---- applying ---- */

/* A change as it came; its texts are owned. */
struct change {
	struct op_template op;
	char *id, *source, *text, *report;
	struct json_object *definition;
	uint8_t digest[DIGEST_SIZE];
};

static char *get_text(struct fnr_reader *in)
{
	size_t len;
	const void *data = fnr_get_bytes(in, &len);

	if (!in->failed && len && memchr(data, 0, len))
		in->failed = true;
	return in->failed ? fnr_strdup("") : fnr_memdup0(data, len);
}

static void get_digest(struct fnr_reader *in, uint8_t out[DIGEST_SIZE])
{
	size_t len;
	const void *data = fnr_get_bytes(in, &len);

	if (!in->failed && len == DIGEST_SIZE)
		memcpy(out, data, DIGEST_SIZE);
	else
		in->failed = true;
}

static struct json_object *get_definition(struct fnr_reader *in)
{
	size_t len;
	const void *data = fnr_get_bytes(in, &len);
	struct json_object *definition = in->failed || !len ? NULL : fnr_json_unpack(data, len, NULL);

	in->failed |= len && !definition;
	return definition;
}

static void change_get(struct fnr_reader *in, struct change *change)
{
	memset(change, 0, sizeof *change);
	change->op.what = (enum op_template_what)fnr_get_u8(in);
	change->id = get_text(in);
	change->source = get_text(in);
	change->op.version.major = fnr_get_u32(in);
	change->op.version.minor = fnr_get_u32(in);
	change->op.version.patch = fnr_get_u32(in);
	change->op.expect = (enum op_template_expect)fnr_get_u8(in);
	change->op.yaml = fnr_get_u8(in);
	get_digest(in, change->op.expected);
	get_digest(in, change->digest);
	change->definition = get_definition(in);
	change->text = get_text(in);
	if (fnr_get_u8(in))
		change->report = get_text(in);
}

static void change_free(struct change *change)
{
	free(change->id);
	free(change->source);
	json_object_put(change->definition);
	free(change->text);
	free(change->report);
}

/* The version as it is stored before the change. */
struct before { bool there, by_api; uint8_t digest[DIGEST_SIZE]; struct fnr_buf source; };

static void look_before(struct store_txn *txn, const struct change *change, struct before *before)
{
	*before = (struct before){ .source = FNR_BUF_INIT };
	before->there = store_template_get(txn, change->id, change->op.version, before->digest, &before->source) == FNR_OK;
	before->by_api = before->there && strcmp(before->source.data, STORE_SOURCE_API) == 0;
}

static bool text_is(struct store_txn *txn, const struct change *change)
{
	struct fnr_buf text = FNR_BUF_INIT;
	uint8_t sha[DIGEST_SIZE];
	bool yaml, same = false;

	if (store_template_text_get(txn, change->id, change->op.version, &yaml, &text) == FNR_OK) {
		fnr_sha256_of(text.data ? text.data : "", text.len, sha);
		same = memcmp(sha, change->op.expected, DIGEST_SIZE) == 0;
	}
	fnr_buf_free(&text);
	return same;
}

static int check_expected(struct store_txn *txn, const struct change *change, const struct before *before, struct fnr_error *err)
{
	const struct store_version *v = &change->op.version;

	if (before->there && !before->by_api)
		return fnr_fail(err, FNR_E_CONFLICT, "%s %u.%u.%u comes from the file %.60s; change that, or use another version", change->id, v->major,
		                v->minor, v->patch, before->source.data);
	if (change->op.expect == OP_EXPECT_NONE && before->there)
		return fnr_fail(err, FNR_E_EXISTS, "there is a version %u.%u.%u of '%s' already, made by the API", v->major, v->minor, v->patch, change->id);
	if (change->op.expect == OP_EXPECT_TEXT && !(before->there && text_is(txn, change)))
		return fnr_fail(err, FNR_E_PRECONDITION, "%s %u.%u.%u was changed or deleted in the meantime; read it again", change->id, v->major,
		                v->minor, v->patch);
	return FNR_OK;
}

/* FNR_OK with *skip_r: a file's version that is the API's now. */
static int may_change(struct store_txn *txn, const struct change *change, const struct before *before, bool *skip_r, struct fnr_error *err)
{
	*skip_r = false;
	if (strcmp(change->source, STORE_SOURCE_API) == 0)
		return check_expected(txn, change, before, err);
	*skip_r = before->by_api || (change->op.what == OP_TEMPLATE_DELETE && (!before->there || strcmp(before->source.data, change->source) != 0));
	return FNR_OK;
}

static void tell(struct json_object *changes, const struct change *change, const char *what, const char *message)
{
	struct json_object *entry = json_object_new_object();
	char version[40];

	snprintf(version, sizeof version, "%u.%u.%u", change->op.version.major, change->op.version.minor, change->op.version.patch);
	fnr_json_set_text(entry, "template", change->id[0] ? change->id : NULL);
	fnr_json_set_text(entry, "version", change->id[0] ? version : NULL);
	fnr_json_set_text(entry, "source", change->source[0] ? change->source : NULL);
	fnr_json_set_text(entry, "change", what);
	fnr_json_set_text(entry, "message", message);
	json_object_array_add(changes, entry);
}

static int apply_put(struct store_txn *txn, const struct change *change, const struct before *before, struct json_object *changes, struct fnr_error *err)
{
	int code = store_template_put(txn, change->id, change->op.version, change->digest, change->source, change->definition, err);

	if (code == FNR_OK)
		code = store_template_text_put(txn, change->id, change->op.version, change->op.yaml, change->text, err);
	if (code == FNR_OK && strcmp(change->source, STORE_SOURCE_API) != 0)
		code = store_broken_put(txn, change->source, NULL, err);
	if (!before->there)
		tell(changes, change, "added", NULL);
	else if (memcmp(before->digest, change->digest, DIGEST_SIZE) != 0)
		tell(changes, change, "changed", NULL);
	return code;
}

static int apply_delete(struct store_txn *txn, const struct change *change, const struct before *before, struct json_object *changes, struct fnr_error *err)
{
	const struct store_version *v = &change->op.version;

	if (!before->there)
		return fnr_fail(err, FNR_E_NOT_FOUND, "there is no version %u.%u.%u of template '%s'", v->major, v->minor, v->patch, change->id);
	tell(changes, change, "removed", NULL);
	return store_template_delete(txn, change->id, change->op.version);
}

static int apply_deprecate(struct store_txn *txn, const struct change *change, struct json_object *changes, struct fnr_error *err)
{
	const struct store_version *v = &change->op.version;
	struct before before;
	int code;

	look_before(txn, change, &before);
	if (before.there)
		code = store_deprecation_put(txn, change->id, change->op.version, change->report, err);
	else
		code = fnr_fail(err, FNR_E_NOT_FOUND, "there is no version %u.%u.%u of template '%s'", v->major, v->minor, v->patch, change->id);
	fnr_buf_free(&before.source);
	tell(changes, change, change->report ? "deprecated" : "restored", NULL);
	return code;
}

static int apply_broken(struct store_txn *txn, const struct change *change, struct json_object *changes, struct fnr_error *err)
{
	struct json_object *report = change->report ? fnr_json_parse_own(change->report, strlen(change->report), NULL) : NULL;
	struct fnr_buf stored = FNR_BUF_INIT;
	bool same = store_broken_get(txn, change->source, &stored) == FNR_OK ? change->report && strcmp(stored.data, change->report) == 0 : !change->report;

	if (!same)
		tell(changes, change, change->report ? "broken" : "mended", fnr_json_get_text(report, "message", NULL));
	json_object_put(report);
	fnr_buf_free(&stored);
	return same ? FNR_OK : store_broken_put(txn, change->source, change->report, err);
}

static int apply_version(struct store_txn *txn, const struct change *change, struct json_object *changes, struct fnr_error *err)
{
	struct before before;
	bool skip;
	int code;

	look_before(txn, change, &before);
	code = may_change(txn, change, &before, &skip, err);
	if (code == FNR_OK && !skip)
		code = (change->op.what == OP_TEMPLATE_PUT ? apply_put : apply_delete)(txn, change, &before, changes, err);
	fnr_buf_free(&before.source);
	return code;
}

static int apply_one(struct store_txn *txn, const struct change *change, struct json_object *changes, struct fnr_error *err)
{
	switch (change->op.what) {
	case OP_TEMPLATE_PUT:
	case OP_TEMPLATE_DELETE: return apply_version(txn, change, changes, err);
	case OP_TEMPLATE_BROKEN:
	case OP_TEMPLATE_MENDED: return apply_broken(txn, change, changes, err);
	case OP_TEMPLATE_DEPRECATE: return apply_deprecate(txn, change, changes, err);
	}
	return fnr_fail(err, FNR_E_MALFORMED, "the operation cannot be read");
}

static int tell_manager(struct store_txn *txn, struct json_object *changes, struct fnr_error *err)
{
	struct json_object *command = json_object_new_object();
	int code;

	fnr_json_set_text(command, "command", "templates");
	fnr_json_set(command, "changes", json_object_get(changes));
	code = store_command_add(txn, fnr_json_text(command, NULL), err);
	json_object_put(command);
	return code;
}

int op_templates_apply(struct store_txn *txn, struct fnr_reader *in, bool *ring_r, struct fnr_error *err)
{
	struct json_object *changes = json_object_new_array();
	int code = FNR_OK;

	for (uint32_t left = fnr_get_u32(in); left > 0 && code == FNR_OK; left--) {
		struct change change;

		change_get(in, &change);
		code = in->failed ? fnr_fail(err, FNR_E_MALFORMED, "the operation cannot be read") : apply_one(txn, &change, changes, err);
		change_free(&change);
	}
	if (code == FNR_OK && (in->failed || in->at != in->len))
		code = fnr_fail(err, FNR_E_MALFORMED, "the operation cannot be read");
	if (code == FNR_OK)
		code = store_meta_put(txn, STORE_META_TEMPLATE_CHANGES, store_meta_get(txn, STORE_META_TEMPLATE_CHANGES) + 1, err);
	*ring_r = code == FNR_OK && json_object_array_length(changes) > 0;
	if (*ring_r)
		code = tell_manager(txn, changes, err);
	json_object_put(changes);
	return code;
}
