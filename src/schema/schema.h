/* JSON Schema, draft 2020-12: a schema is compiled once into a compact program, which is then run over json-c values.
 *
 *	struct fnr_error err = FNR_ERROR_INIT;
 *	struct schema *schema = schema_compile(definition, NULL, &err);   // bad schema: err.errors says where and why
 *
 *	if (!schema_check(schema, value, "/inputs", &err))                // err.errors has every problem
 *		…
 *	schema_free(schema);
 *
 * All of the draft is there: references within a schema, to schemas that are known by address (the options' `remotes`; the
 * metaschemas are known always) and dynamic ones, unevaluated*, vocabularies of custom metaschemas. Nothing is ever fetched.
 * `format` is an annotation unless options or metaschema say otherwise. Numbers are compared as they are written, not as
 * doubles: 0.3 is a multiple of 0.1.
 *
 * Neither a schema nor a value can make this run long, deep or large: what would is an error ("limit"). For one thread.
 */
#ifndef FNR_SCHEMA_SCHEMA_H
#define FNR_SCHEMA_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

#define SCHEMA_ERRORS 100      /* problems reported of one value; one more says that there may be more */
#define SCHEMA_STEPS 10000000  /* what one run may cost; about a second */
#define SCHEMA_DEPTH 1000      /* schemas within schemas that one run may enter */

/* A schema that may be referred to by its address. Borrowed until the schema that was compiled with it is freed. */
struct schema_remote { const char *uri; struct json_object *value; };

struct schema_options {
	bool formats;                            /* assert `format`: all of the draft; others stay annotations */
	const struct schema_remote *remotes;
	size_t remote_count;
};

/* Compiles; a definition is an object, true or false, and is kept (a reference) and must not be changed meanwhile. NULL if
 * it is no sound schema: each fault is in err->errors, `pointer` being the place in the schema. options may be NULL. */
struct schema *schema_compile(struct json_object *definition, const struct schema_options *options, struct fnr_error *err);
void schema_free(struct schema *schema);   /* NULL is allowed */

/* Does the value fit? No more than that, and fast: the first misfit ends it. */
bool schema_fits(const struct schema *schema, struct json_object *value);

/* The same, reporting: every problem is added to err->errors, as {pointer, rule, message, fix, schema}. `pointer` is the
 * place in the value behind the given prefix; `rule` the keyword that is not met, or "limit" where the value is too much
 * work; `message` says what was found, `fix` what to do; `schema` is the place of the keyword in the schema ("#/properties/a/
 * minimum", or with its address if that is another document's). */
bool schema_check(const struct schema *schema, struct json_object *value, const char *pointer, struct fnr_error *err);

/* The same in steps, for who may not need the words, which cost more than finding the problems: NULL if the value fits, else
 * what is to be told. Schema and value must stay as they are until it is freed. */
struct schema_report *schema_report(const struct schema *schema, struct json_object *value);
size_t schema_report_count(const struct schema_report *report);
void schema_report_tell(const struct schema_report *report, const char *pointer, struct fnr_error *err);
void schema_report_free(struct schema_report *report);   /* NULL is allowed */

#endif
