/* JSON in and out. One function parses; everything that comes from outside goes through it. Values are json-c's. */
#ifndef FNR_BASE_JSON_H
#define FNR_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FNR_JSON_DEPTH 64
#define FNR_JSON_DEPTH_OWN 128
#define FNR_JSON_MEMORY ((size_t)1024 << 20)
#define FNR_JSON_MEMORY_FOREIGN ((size_t)256 << 20)

/* Parses exactly RFC 8259: the whole of data, valid UTF-8, no NaN or Infinity, no single quotes, no comments, no
 * U+0000 in strings (escaped or not), no lone surrogates, no member twice in one object, depth at most 64, values that
 * need at most about 1 GiB beside their text, integers within ±(2^53-1) (the message names the offending place by line
 * and column). Returns a value that the caller puts (json_object_put), or NULL with *err set to FNR_E_MALFORMED. JSON null
 * gives NULL with err->code FNR_OK. */
struct json_object *fnr_json_parse(const char *data, size_t len, struct fnr_error *err);

/* The same for what this program wrote itself, records and messages between its processes: there, values from outside
 * lie within ours, so it may be nested up to 128 deep and have as many values as there are. */
struct json_object *fnr_json_parse_own(const char *data, size_t len, struct fnr_error *err);

/* For what other programs answer: as fnr_json_parse, but NaN, Infinity and numbers too large for a double become null; an
 * integer beyond 2^53 becomes a real that keeps its digits as text; what cannot be a character becomes U+FFFD; of two
 * members of one name the last counts; and values may need only 256 MiB. */
struct json_object *fnr_json_parse_foreign(const char *data, size_t len, struct fnr_error *err);

/* For what is only compared, as JSON Schema does, and not worked with: as fnr_json_parse_own, but with U+0000 in strings and
 * numbers of any size; those beyond the integers above are reals that keep their text (json_object_get_userdata()). */
struct json_object *fnr_json_parse_exact(const char *data, size_t len, struct fnr_error *err);

/* Writes value compactly (NULL is null). The text belongs to value and is valid until it changes. len_r may be NULL. */
const char *fnr_json_text(struct json_object *value, size_t *len_r);

/* A real that is written with the fewest digits that read back the same (json-c's own writes 0.1 with 17); NULL if it
 * is not finite. */
struct json_object *fnr_json_real(double value);

/* Adds members; the object owns the value from then on. Text NULL and id none become null. */
void fnr_json_set(struct json_object *object, const char *name, struct json_object *value);
void fnr_json_set_text(struct json_object *object, const char *name, const char *text);
void fnr_json_set_int(struct json_object *object, const char *name, int64_t value);
void fnr_json_set_bool(struct json_object *object, const char *name, bool value);
void fnr_json_set_real(struct json_object *object, const char *name, double value);
void fnr_json_set_time(struct json_object *object, const char *name, int64_t ms); /* 0 becomes null */

/* Lookups that never fail: a missing member or one of another type gives the fallback. Borrowed. */
struct json_object *fnr_json_get(struct json_object *object, const char *name);   /* NULL if missing */
const char *fnr_json_get_text(struct json_object *object, const char *name, const char *fallback);
int64_t fnr_json_get_int(struct json_object *object, const char *name, int64_t fallback);
bool fnr_json_get_bool(struct json_object *object, const char *name, bool fallback);
double fnr_json_get_real(struct json_object *object, const char *name, double fallback);

/* A deep copy; NULL stays NULL. The caller puts it. */
struct json_object *fnr_json_copy(struct json_object *value);

/* The remedy where a member has no value and a name of several words: half of a text, in YAML. */
#define FNR_JSON_COMMA "put the text before it in quotes: it goes on behind a comma"

/* What a value is, for a message: `the text "64MB"`, `5`, `true`, "a list", "an object", "nothing". Long texts are cut. */
#define FNR_JSON_FOUND 80
const char *fnr_json_found(struct json_object *value, char out[FNR_JSON_FOUND]);

/* Appends "/" + name to a JSON Pointer (RFC 6901), escaping ~ and /. Cuts at size. */
void fnr_json_pointer_add(char *pointer, size_t size, const char *name);

#endif
