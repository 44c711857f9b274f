#include "api/loader.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/upload.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "http/access.h"
#include "registry/registry.h"

#define KEY_ID "admin"
#define KEY_FILE_MOST 4096

struct poster { struct slots *slots; size_t slot; };

/* Posts; a refusal is an error too. */
static int post(struct poster *poster, const struct fnr_buf *operation, struct fnr_error *err)
{
	struct op_reply reply;
	int code = slots_post(poster->slots, poster->slot, operation->data, operation->len, &reply, err);

	return code == FNR_OK && reply.code != FNR_OK ? fnr_fail(err, reply.code, "%s", reply.message) : code;
}

/* ---- the first key ---- */

static int make_file(char text[96], struct fnr_error *err)
{
	uint8_t hash[32];
	char id[16], line[100];

	access_key_make(text, id, hash);
	snprintf(line, sizeof line, "%s\n", text);
	return fnr_file_write(LOADER_KEY_FILE, line, strlen(line), 0600, err);
}

static int read_file(char text[96], struct fnr_error *err)
{
	struct fnr_buf file = FNR_BUF_INIT;
	int code = fnr_file_read(LOADER_KEY_FILE, KEY_FILE_MOST, &file, err);
	size_t begin, len;

	if (code == FNR_OK) {
		begin = strspn(file.data, " \t\r\n");
		len = strcspn(file.data + begin, " \t\r\n");
		if (len == 0 || len > 95)
			code = fnr_fail(err, FNR_E_CORRUPT, LOADER_KEY_FILE " does not hold a key; remove it, and a new one is made at the next start");
		else
			snprintf(text, 96, "%.*s", (int)len, file.data + begin);
	}
	fnr_buf_free(&file);
	return code;
}

static bool is_admin_row(const char *id, const char *json, size_t len, void *context)
{
	struct json_object *key = fnr_json_parse(json, len, NULL);

	(void)id;
	*(bool *)context |= strcmp(fnr_json_get_text(key, "id", ""), KEY_ID) == 0;
	json_object_put(key);
	return !*(bool *)context;
}

/* Whether the store has this key, and whether it has another one of the same id (whose file was removed). */
static int look(struct store *store, const uint8_t hash[32], bool *has_r, bool *other_r, struct fnr_error *err)
{
	struct store_txn *txn = store_read(store, err);
	struct fnr_buf json = FNR_BUF_INIT;

	*has_r = *other_r = false;
	if (!txn)
		return FNR_E_IO;
	*has_r = store_key_get(txn, hash, &json) == FNR_OK;
	if (!*has_r)
		store_keys(txn, is_admin_row, other_r);
	store_read_end(txn);
	fnr_buf_free(&json);
	return FNR_OK;
}

static int put_key(struct poster *poster, const uint8_t hash[32], bool replace, struct fnr_error *err)
{
	struct fnr_buf operation = FNR_BUF_INIT, json = FNR_BUF_INIT;
	char when[FNR_TIME_SIZE];
	int code = FNR_OK;

	if (replace) {
		op_key_delete(&operation, KEY_ID);
		code = post(poster, &operation, err);
		fnr_buf_reset(&operation);
	}
	fnr_buf_printf(&json, "{\"id\":\"" KEY_ID "\",\"name\":\"" KEY_ID "\",\"scopes\":[\"read\",\"submit\",\"admin\"],\"projects\":null,"
	               "\"created_at\":\"%s\",\"revoked\":false}", fnr_time_format(fnr_now_ms(), when));
	op_key_put(&operation, hash, json.data);
	if (code == FNR_OK)
		code = post(poster, &operation, err);
	fnr_buf_free(&operation);
	fnr_buf_free(&json);
	return code;
}

int loader_admin_key(struct store *store, struct slots *slots, size_t slot, struct fnr_error *err)
{
	struct poster poster = { slots, slot };
	struct fnr_error why = FNR_ERROR_INIT;
	char text[96];
	uint8_t hash[32];
	bool has, other;
	int code = read_file(text, &why);

	if (code == FNR_E_NOT_FOUND)
		code = make_file(text, err);
	else if (code != FNR_OK)
		fnr_fail(err, code, "%s", why.message);
	fnr_error_clear(&why);
	if (code != FNR_OK)
		return code;
	access_key_hash(text, hash);
	explicit_bzero(text, sizeof text);
	code = look(store, hash, &has, &other, err);
	if (code != FNR_OK || has)
		return code;
	code = put_key(&poster, hash, other, err);
	if (code == FNR_OK)
		fnr_info(NULL, "the key in " LOADER_KEY_FILE " is in force");
	return code;
}

/* ---- templates, presets ---- */

static int post_operation(const void *data, size_t len, void *context)
{
	struct fnr_buf operation = { (char *)(uintptr_t)data, len, len };
	struct fnr_error err = FNR_ERROR_INIT;
	int code = post(context, &operation, &err);

	if (code != FNR_OK)
		fnr_err(NULL, "the loader was refused: %s", err.message);
	fnr_error_clear(&err);
	return code;
}

static int load(struct store *store, struct poster *poster, struct fnr_error *err)
{
	char shipped[PATH_MAX], presets[PATH_MAX];
	const char *folders[] = { shipped, "templates" };
	int broken;

	snprintf(shipped, sizeof shipped, "%s/templates", fnr_share_dir());
	snprintf(presets, sizeof presets, "%s/presets.yaml", fnr_share_dir());
	broken = registry_load(store, folders, 2, presets, post_operation, poster, err);
	if (broken < 0)
		return broken;
	if (broken > 0)
		fnr_warn(NULL, "%d template files are broken; see above", broken);
	return FNR_OK;
}

static void sweep_uploads(struct store *store)
{
	struct store_txn *txn = store_read(store, NULL);
	size_t count = txn ? upload_sweep(txn) : 0;

	store_read_end(txn);
	if (count)
		fnr_info(NULL, "removed %zu files that unfinished uploads had left", count);
}

/* Once in the life of a data directory; what is there already is kept. */
static int make_secret(struct poster *poster, struct fnr_error *err)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	uint8_t secret[32];
	int code;

	fnr_random(secret, sizeof secret);
	op_secret(&operation, secret);
	explicit_bzero(secret, sizeof secret);
	code = post(poster, &operation, err);
	fnr_buf_free(&operation);
	return code;
}

int loader_run(struct slots *slots, size_t slot)
{
	struct poster poster = { slots, slot };
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_conf conf;
	struct store *store = NULL;
	uint32_t generation = 0;
	int code = store_open(&store, false, &err);

	while (!slots_conf_read(slots, &generation, &conf))
		;
	if (code == FNR_OK)
		code = make_secret(&poster, &err);
	if (code == FNR_OK && conf.api_keys)
		code = loader_admin_key(store, slots, slot, &err);
	if (code == FNR_OK)
		code = load(store, &poster, &err);
	if (code == FNR_OK)
		sweep_uploads(store);
	else
		fnr_err(NULL, "templates, presets and keys could not be loaded: %s", err.message);
	store_close(store);
	fnr_error_clear(&err);
	return code == FNR_OK ? 0 : 1;
}
