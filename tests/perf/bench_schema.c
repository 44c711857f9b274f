/* How fast schemas are compiled and values checked.
 *
 *   bench_schema CASES.json      prints a JSON object a case: times in ns
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/fs.h"
#include "schema/schema.h"

#define SPAN_NS 300000000
#define ROUNDS 5

static struct json_object *read_json(const char *path)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *value = NULL;

	if (fnr_file_read(path, 16 << 20, &text, &err) == FNR_OK)
		value = fnr_json_parse(text.data, text.len, &err);
	if (!value)
		fnr_die("%s", err.message);
	fnr_buf_free(&text);
	return value;
}

/* The same item so many times, each a value of its own. */
static struct json_object *repeated(struct json_object *list, int64_t times)
{
	struct json_object *all;

	if (times <= 1)
		return json_object_get(list);
	all = json_object_new_array();
	while (times--)
		json_object_array_add(all, fnr_json_copy(json_object_array_get_idx(list, 0)));
	return all;
}

struct work { struct json_object *definition, *value; const struct schema *schema; };

static void compile(const struct work *work)
{
	schema_free(schema_compile(work->definition, NULL, NULL));
}

static void fits(const struct work *work)
{
	schema_fits(work->schema, work->value);
}

static void report(const struct work *work)
{
	schema_report_free(schema_report(work->schema, work->value));
}

static void tell(const struct work *work)
{
	struct fnr_error err = FNR_ERROR_INIT;

	schema_check(work->schema, work->value, "", &err);
	fnr_json_text(err.errors, NULL);
	fnr_error_clear(&err);
}

/* of the processor: others use this machine too */
static int64_t processor_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ns of one call, the best of some rounds */
static double measure(void (*call)(const struct work *work), const struct work *work)
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t begin = processor_ns(), now = begin, calls = 0, batch = 1;

		for (; now - begin < SPAN_NS / ROUNDS; now = processor_ns(), calls += batch, batch *= 2)
			for (int64_t i = 0; i < batch; i++)
				call(work);
		best = (double)(now - begin) / (double)calls < best ? (double)(now - begin) / (double)calls : best;
	}
	return best;
}

static void run(struct json_object *row)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *definition = fnr_json_get(row, "schema"), *out = json_object_new_object();
	struct json_object *valid = repeated(fnr_json_get(row, "valid"), fnr_json_get_int(row, "repeat", 1));
	struct json_object *invalid = repeated(fnr_json_get(row, "invalid"), fnr_json_get_int(row, "repeat", 1));
	struct schema *schema = schema_compile(definition, NULL, &err);

	if (!schema || !schema_fits(schema, valid) || schema_fits(schema, invalid))
		fnr_die("%s: not as it should be. %s", fnr_json_get_text(row, "name", ""), err.message);
	fnr_json_set_text(out, "name", fnr_json_get_text(row, "name", ""));
	fnr_json_set_real(out, "compile", measure(compile, &(struct work){ .definition = definition }));
	fnr_json_set_real(out, "valid", measure(fits, &(struct work){ .schema = schema, .value = valid }));
	fnr_json_set_real(out, "invalid", measure(fits, &(struct work){ .schema = schema, .value = invalid }));
	fnr_json_set_real(out, "errors", measure(report, &(struct work){ .schema = schema, .value = invalid }));
	fnr_json_set_real(out, "texts", measure(tell, &(struct work){ .schema = schema, .value = invalid }));
	printf("%s\n", fnr_json_text(out, NULL));
	json_object_put(out);
	json_object_put(valid);
	json_object_put(invalid);
	schema_free(schema);
}

int main(int argc, char **argv)
{
	struct json_object *cases;

	if (argc != 2)
		fnr_die("give the file of cases");
	cases = read_json(argv[1]);
	for (size_t i = 0; i < json_object_array_length(cases); i++)
		run(json_object_array_get_idx(cases, i));
	json_object_put(cases);
	return 0;
}
