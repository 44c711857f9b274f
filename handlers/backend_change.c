/* POST /backends, PUT and DELETE /backends/{id}, drain and resume: servers as operators add, change and remove them. */
#include <stdlib.h>
#include <string.h>

#include "backends/names.h"
#include "base/clock.h"
#include "base/text.h"
#include "files/certificates.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/servers.h"

#define LOCAL "local"
#define URL_MOST 1024
#define CONCURRENCY_MOST 64
#define LABELS_MOST 64
#define OPTIONS_MOST 16384
#define HEADERS_MOST 32
#define SECRET_MOST 8192

static const char *text_member(struct request *req, const char *name, size_t most, const char *fix)
{
	struct json_object *value = fnr_json_get(req->body, name);
	const char *pointer = fnr_arena_printf(req->arena, "/%s", name);

	if (!value)
		fnr_error_add(&req->err, pointer, "required", fix, "'%s' is missing", name);
	else if (!json_object_is_type(value, json_type_string) || !*json_object_get_string(value) || strlen(json_object_get_string(value)) > most)
		fnr_error_add(&req->err, pointer, "type", fix, "'%s' must be text of 1 to %zu bytes", name, most);
	else
		return json_object_get_string(value);
	return NULL;
}

/* ---- the URL ---- */

static bool plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f || strchr("\"\\<>^`{|}", *text))
			return false;
	return true;
}

/* Length of the host at the beginning; 0 if there is none. */
static size_t host_length(const char *text)
{
	const char *end = strchr(text, ']');

	if (text[0] == '[')
		return end ? (size_t)(end - text) + 1 : 0;
	return strcspn(text, ":/");
}

/* host[:port][/path]; no user, query or fragment. */
static bool rest_valid(const char *rest)
{
	size_t host = host_length(rest), digits;
	const char *port = rest + host + 1;

	if (!host || strpbrk(rest, "@?#"))
		return false;
	if (rest[host] != ':')
		return rest[host] == 0 || rest[host] == '/';
	digits = strspn(port, "0123456789");
	return digits >= 1 && digits <= 5 && atoi(port) >= 1 && atoi(port) <= 65535 && (port[digits] == 0 || port[digits] == '/');
}

static const char *read_url(struct request *req)
{
	static const char fix[] = "write it like http://127.0.0.1:8188";
	const char *url = text_member(req, "url", URL_MOST, fix);
	const char *rest = !url ? NULL : strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
	size_t len;

	if (!url)
		return NULL;
	if (!rest || !plain(url) || !rest_valid(rest)) {
		bool secret = rest && strpbrk(rest, "@?");

		fnr_error_add(&req->err, "/url", "format", secret ? "give user and password, or the token, as 'credentials': {\"token\": \"…\"}" : fix,
		              "'url' must be the http or https address of a server, without user, query and fragment");
		return NULL;
	}
	for (len = strlen(url); url[len - 1] == '/'; len--)
		;
	return fnr_arena_printf(req->arena, "%.*s", (int)len, url);
}

/* ---- whom to believe there ---- */

/* Of this machine: absolute, or below the data directory. */
static bool path_valid(const char *path)
{
	size_t len = strlen(path);

	for (const char *at = path; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return false;
	return !strstr(path, "/../") && strncmp(path, "../", 3) != 0 && !(len >= 3 && strcmp(path + len - 3, "/..") == 0);
}

/* NULL: as this machine believes. */
static const char *read_ca_file(struct request *req)
{
	static const char fix[] = "name a file of the server's machine, absolute or below its data directory, with the authority's certificate in PEM";
	struct fnr_error err = FNR_ERROR_INIT;
	const char *path = fnr_json_get(req->body, "ca_file") ? text_member(req, "ca_file", URL_MOST, fix) : NULL;

	if (!path)
		return NULL;
	if (!path_valid(path))
		fnr_error_add(&req->err, "/ca_file", "format", fix, "'ca_file' must be the path of a file");
	else if (certificates_check(path, &err) != FNR_OK)
		fnr_error_add(&req->err, "/ca_file", "file", fix, "%s", err.message);
	fnr_error_clear(&err);
	return path;
}

/* ---- credentials ---- */

static bool header_name_valid(const char *name)
{
	static const char letters[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	return *name && strlen(name) <= 128 && strspn(name, letters) == strlen(name);
}

static bool secret_valid(struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

	for (const char *at = text; at && *at; at++)
		if ((unsigned char)*at < ' ' || (unsigned char)*at == 0x7f)
			return false;
	return text && strlen(text) <= SECRET_MOST;
}

static void check_headers(struct request *req, struct json_object *headers)
{
	if (!json_object_is_type(headers, json_type_object) || json_object_object_length(headers) > HEADERS_MOST) {
		fnr_error_add(&req->err, "/credentials/headers", "type", "write it like {\"X-Api-Key\":\"…\"}", "'headers' must be an object with at most %d members", HEADERS_MOST);
		return;
	}
	json_object_object_foreach(headers, name, value) {
		char place[256] = "/credentials/headers";

		fnr_json_pointer_add(place, sizeof place, name);
		if (!header_name_valid(name) || !secret_valid(value))
			fnr_error_add(&req->err, place, "format", "give the name of a header and its value as text", "this is no header");
	}
}

static void check_credentials(struct request *req, struct json_object *credentials)
{
	static const char *const names[] = { "headers", "username", "password", "token" };

	if (!json_object_is_type(credentials, json_type_object)) {
		fnr_error_add(&req->err, "/credentials", "type", "give an object, or null for none", "'credentials' must be an object");
		return;
	}
	json_object_object_foreach(credentials, name, value) {
		char place[256] = "/credentials";
		size_t at = 0;

		fnr_json_pointer_add(place, sizeof place, name);
		while (at < 4 && strcmp(names[at], name) != 0)
			at++;
		if (at == 4)
			fnr_error_add(&req->err, place, "unknown_member", "use headers, username, password and token", "credentials have no member '%.64s'", name);
		else if (at == 0)
			check_headers(req, value);
		else if (!secret_valid(value))
			fnr_error_add(&req->err, place, "type", "give text", "'%s' must be text without control characters", name);
	}
}

/* Left out: what there is stays. null: there are none. */
static enum op_secret_change read_credentials(struct request *req, const char **text_r)
{
	struct json_object *credentials;

	*text_r = NULL;
	if (!json_object_object_get_ex(req->body, "credentials", &credentials))
		return OP_SECRET_KEEP;
	if (!credentials)
		return OP_SECRET_CLEAR;
	check_credentials(req, credentials);
	*text_r = fnr_json_text(credentials, NULL);
	return OP_SECRET_SET;
}

/* ---- the rest of it ---- */

static struct json_object *read_labels(struct request *req)
{
	struct json_object *labels = fnr_json_get(req->body, "labels");

	if (!labels)
		return json_object_new_array();
	if (!json_object_is_type(labels, json_type_array) || json_object_array_length(labels) > LABELS_MOST) {
		fnr_error_add(&req->err, "/labels", "type", "write it like [\"gpu24\"]", "'labels' must be a list of at most %d names", LABELS_MOST);
		return json_object_new_array();
	}
	for (size_t i = 0; i < json_object_array_length(labels); i++) {
		struct json_object *label = json_object_array_get_idx(labels, i);

		if (!json_object_is_type(label, json_type_string) || !fnr_name_valid(json_object_get_string(label)))
			fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/labels/%zu", i), "name", "use " FNR_NAME_RULE, "this is no label");
	}
	return json_object_get(labels);
}

static struct json_object *read_options(struct request *req)
{
	struct json_object *options = fnr_json_get(req->body, "options");
	size_t len = 0;

	if (options)
		fnr_json_text(options, &len);
	if (options && (!json_object_is_type(options, json_type_object) || len > OPTIONS_MOST))
		fnr_error_add(&req->err, "/options", "type", "give an object, or leave it out", "'options' must be an object of at most %d bytes", OPTIONS_MOST);
	return json_object_is_type(options, json_type_object) ? json_object_get(options) : json_object_new_object();
}

static const char *type_list(struct request *req)
{
	const char *list = backend_servers[0];

	for (size_t i = 1; backend_servers[i]; i++)
		list = fnr_arena_printf(req->arena, "%s%s%s", list, backend_servers[i + 1] ? ", " : " or ", backend_servers[i]);
	return list;
}

static void read_type(struct request *req, struct json_object *record, struct json_object *before)
{
	const char *was = fnr_json_get_text(before, "type", NULL);
	const char *type = was && !fnr_json_get(req->body, "type") ? was : text_member(req, "type", 64, fnr_arena_printf(req->arena, "use %s", type_list(req)));

	if (type && !backend_of_servers(type))
		fnr_error_add(&req->err, "/type", "enum", fnr_arena_printf(req->arena, "use %s", type_list(req)), "no servers of type '%.64s' can be added", type);
	else if (type && was && strcmp(type, was) != 0)
		fnr_error_add(&req->err, "/type", "immutable", "add another backend", "the type of a backend stays what it was");
	fnr_json_set_text(record, "type", type);
}

/* The whole record, of the body and, for what an operator does not set, of what was before. To put. */
static struct json_object *read_record(struct request *req, struct json_object *before)
{
	static const char *const members[] = { "id", "type", "url", "ca_file", "concurrency", "labels", "options", "credentials", NULL };
	struct json_object *record = json_object_new_object();
	int64_t concurrency = common_count(req, "concurrency", CONCURRENCY_MOST), now = fnr_now_ms();
	const char *created = fnr_json_get_text(before, "created_at", NULL);

	common_members_only(req, "a backend", members);
	read_type(req, record, before);
	fnr_json_set_text(record, "url", read_url(req));
	fnr_json_set_text(record, "ca_file", read_ca_file(req));
	fnr_json_set_int(record, "concurrency", concurrency ? concurrency : 1);
	fnr_json_set(record, "labels", read_labels(req));
	fnr_json_set(record, "options", read_options(req));
	fnr_json_set_bool(record, "drained", fnr_json_get_bool(before, "drained", false));
	if (created)
		fnr_json_set_text(record, "created_at", created);
	else
		fnr_json_set_time(record, "created_at", now);
	fnr_json_set_time(record, "updated_at", now);
	return record;
}

static int put(struct request *req, const char *id, uint64_t revision, struct json_object *before, int status)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct json_object *record = read_record(req, before);
	struct op_reply reply;
	const char *secret;
	enum op_secret_change change = read_credentials(req, &secret);
	int code = req->err.code;

	if (code == FNR_OK) {
		op_backend_put(&operation, id, revision, fnr_json_text(record, NULL), change, secret);
		code = request_post(req, &operation, &reply);
	}
	json_object_put(record);
	fnr_buf_free(&operation);
	return code == FNR_OK ? servers_reply(req, status, id) : code;
}

int backends_create(struct request *req)
{
	const char *id = text_member(req, "id", 64, "name it, like comfy-a");

	if (id && !fnr_name_valid(id))
		fnr_error_add(&req->err, "/id", "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name", id);
	if (id && strcmp(id, LOCAL) == 0)
		fnr_error_add(&req->err, "/id", "name", "choose another name", "'" LOCAL "' is this machine");
	if (id)
		reply_header(req, "Location", fnr_arena_printf(req->arena, API "/backends/%s", fnr_name_valid(id) ? id : ""));
	return put(req, id, 0, NULL, 201);
}

/* ---- those that there are ---- */

static int find(struct request *req, struct store_backend *backend_r)
{
	int code;

	if (strcmp(req->args[0], LOCAL) == 0)
		return fnr_fail(&req->err, FNR_E_CONFLICT, "'" LOCAL "' is this machine; its workers are configured (workers.max), and its queues can be paused");
	code = store_backend_get(req->txn, req->args[0], backend_r);
	return code == FNR_OK ? code : fnr_fail(&req->err, code, "there is no backend '%.64s'", req->args[0]);
}

/* The revision that the caller has seen; "*" is whatever there is. */
static int match(struct request *req, const struct store_backend *backend, uint64_t *revision_r)
{
	const char *header = request_header(req, "If-Match");

	if (!header)
		return fnr_fail(&req->err, FNR_E_PRECONDITION_REQUIRED, "send the ETag of the backend that you have seen in If-Match");
	*revision_r = backend->revision;
	if (strcmp(header, "*") == 0 || strcmp(header, fnr_arena_printf(req->arena, "\"%llu\"", (unsigned long long)backend->revision)) == 0)
		return FNR_OK;
	return fnr_fail(&req->err, FNR_E_PRECONDITION, "backend '%.64s' was changed meanwhile; read it again, with its ETag", req->args[0]);
}

int backends_change(struct request *req)
{
	struct store_backend backend;
	struct json_object *before;
	uint64_t revision;
	int code = find(req, &backend);

	if (code == FNR_OK)
		code = match(req, &backend, &revision);
	if (code != FNR_OK)
		return code;
	if (fnr_json_get(req->body, "id") && strcmp(fnr_json_get_text(req->body, "id", ""), req->args[0]) != 0)
		fnr_error_add(&req->err, "/id", "immutable", "leave it out, or add another backend", "the body names another backend than the path");
	before = servers_record(&backend);
	code = put(req, req->args[0], revision, before, 200);
	json_object_put(before);
	return code;
}

int backends_delete(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct store_backend backend;
	struct op_reply reply;
	uint64_t revision;
	int code = find(req, &backend);

	if (code == FNR_OK)
		code = match(req, &backend, &revision);
	if (code != FNR_OK)
		return code;
	op_backend_delete(&operation, req->args[0], revision);
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code == FNR_OK ? reply_empty(req, 204) : code;
}

static int drain(struct request *req, bool drained)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct store_backend backend;
	struct op_reply reply;
	int code = find(req, &backend);

	if (code != FNR_OK)
		return code;
	op_backend_drain(&operation, req->args[0], drained);
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code == FNR_OK ? servers_reply(req, 200, req->args[0]) : code;
}

int backends_drain(struct request *req)
{
	return drain(req, true);
}

int backends_resume(struct request *req)
{
	return drain(req, false);
}
