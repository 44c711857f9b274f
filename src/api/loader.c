#include "api/loader.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "api/upload.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/sock.h"
#include "http/access.h"
#include "registry/registry.h"

#define KEY_ID "admin"
#define KEY_FILE_MOST 4096
#define SETTLE_MS 80               /* of quiet, after a change */
#define SETTLE_MOST_MS 400
#define IDLE_MS 60000              /* between looks that nothing asked for */
#define UNWATCHED_MS 2000          /* the same, when not every folder can be watched */

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
static int find_key(struct store *store, const uint8_t hash[32], bool *has_r, bool *other_r, struct fnr_error *err)
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
	code = find_key(store, hash, &has, &other, err);
	if (code != FNR_OK || has)
		return code;
	code = put_key(&poster, hash, other, err);
	if (code == FNR_OK)
		fnr_info(NULL, "the key in " LOADER_KEY_FILE " is in force");
	return code;
}

/* ---- what else is done at a start ---- */

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

/* ---- the process ---- */

struct loading {
	struct slots *slots;
	size_t slot;
	struct poster poster;
	uint32_t generation;
	struct fnr_conf conf;
	struct store *store;
	struct registry *registry;
	int signals, bell, loaded;
	int broken;                    /* at the last look; -1 before the first */
	bool ending;
};

static void read_conf(struct loading *loading)
{
	int level;

	if (!slots_conf_read(loading->slots, &loading->generation, &loading->conf))
		return;
	level = fnr_log_level_parse(loading->conf.log_level);
	fnr_log_init("api", level < 0 ? FNR_LOG_INFO : (enum fnr_log_level)level);
}

static int look(struct loading *loading, bool all, struct fnr_error *err)
{
	int broken = registry_look(loading->registry, all, err);

	if (broken > 0 && broken != loading->broken)
		fnr_warn(NULL, "%d template files are broken; see above, or GET /api/v1/templates?state=broken", broken);
	loading->broken = broken;
	malloc_trim(0);
	return broken < 0 ? broken : FNR_OK;
}

static int load(struct loading *loading, struct fnr_error *err)
{
	int code = make_secret(&loading->poster, err);

	if (code == FNR_OK && loading->conf.api_keys)
		code = loader_admin_key(loading->store, loading->slots, loading->slot, err);
	return code == FNR_OK ? look(loading, true, err) : code;
}

/* ---- watching ---- */

static bool readable(int fd, int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&poll_fd, 1, ms) > 0;
}

/* Files come in pieces, and editors write them in several steps: waits until it is quiet, but not for ever. */
static void settle(struct loading *loading)
{
	int64_t until = fnr_mono_ms() + SETTLE_MOST_MS;
	int fd = registry_watch_fd(loading->registry);

	do
		registry_watch_clear(loading->registry);
	while (fnr_mono_ms() < until && readable(fd, SETTLE_MS));
}

static bool take_signals(struct loading *loading)
{
	struct signalfd_siginfo info;
	bool again = false;

	while (read(loading->signals, &info, sizeof info) == sizeof info) {
		loading->ending |= info.ssi_signo == SIGTERM;
		again |= info.ssi_signo == SIGHUP;
	}
	return again;
}

/* One wait, and a look if anything happened or time is up. */
static int wait_and_look(struct loading *loading, struct fnr_error *err)
{
	struct pollfd fds[] = { { .fd = loading->signals, .events = POLLIN }, { .fd = loading->bell, .events = POLLIN },
		                { .fd = registry_watch_fd(loading->registry), .events = POLLIN } };
	int n = poll(fds, 3, registry_watches_all(loading->registry) ? IDLE_MS : UNWATCHED_MS);
	bool rung = n > 0 && fds[1].revents;

	read_conf(loading);
	if (take_signals(loading) && !loading->ending)
		return load(loading, err);
	if (loading->ending || (n < 0 && errno == EINTR))
		return FNR_OK;
	if (rung)
		fnr_bell_clear(loading->bell);
	if (n > 0 && fds[2].revents)
		settle(loading);
	return look(loading, rung || n == 0, err);
}

static int open_all(struct loading *loading, char shipped[PATH_MAX], const char *folders[2], char presets[PATH_MAX], struct fnr_error *err)
{
	int code = store_open(&loading->store, false, err);

	loading->signals = fnr_proc_signalfd();
	loading->bell = fnr_bell_open(FNR_BELL_LOADER, err);
	if (code != FNR_OK || loading->bell < 0)
		return code != FNR_OK ? code : loading->bell;
	snprintf(shipped, PATH_MAX, "%s/templates", fnr_share_dir());
	snprintf(presets, PATH_MAX, "%s/presets.yaml", fnr_share_dir());
	folders[0] = shipped;
	folders[1] = "templates";
	loading->registry = registry_open(loading->store, folders, 2, presets, true, post_operation, &loading->poster);
	return FNR_OK;
}

int loader_run(struct slots *slots, size_t slot, int loaded)
{
	struct loading loading = { .slots = slots, .slot = slot, .poster = { slots, slot }, .loaded = loaded, .broken = -1, .bell = -1 };
	char shipped[PATH_MAX], presets[PATH_MAX];
	struct fnr_error err = FNR_ERROR_INIT;
	const char *folders[2];
	int code = open_all(&loading, shipped, folders, presets, &err);

	while (!slots_conf_read(slots, &loading.generation, &loading.conf))
		;
	if (code == FNR_OK)
		code = load(&loading, &err);
	if (code == FNR_OK) {
		eventfd_write(loaded, 1);
		sweep_uploads(loading.store);
	}
	while (code == FNR_OK && !loading.ending)
		code = wait_and_look(&loading, &err);
	if (code != FNR_OK)
		fnr_err(NULL, "templates, presets and keys could not be loaded: %s", err.message);
	registry_close(loading.registry);
	store_close(loading.store);
	fnr_error_clear(&err);
	return code == FNR_OK ? 0 : 1;
}
