/* The JSON parser, in each of its manners: what is written again reads back the same. */
#include "base/err.h"
#include "base/json.h"
#include "fuzz/fuzz.h"

typedef struct json_object *parser(const char *data, size_t len, struct fnr_error *err);

static void run(parser *parse, const char *data, size_t len, bool exact)
{
	struct fnr_error err = FNR_ERROR_INIT, again_err = FNR_ERROR_INIT;
	struct json_object *value = parse(data, len, &err), *again;
	const char *text;
	size_t written;

	if (err.code == FNR_OK && exact) {
		text = fnr_json_text(value, &written);
		again = parse(text, written, &again_err);
		FNR_MUST(again_err.code == FNR_OK && json_object_equal(value, again));
		json_object_put(again);
	}
	fnr_error_clear(&err);
	json_object_put(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	run(fnr_json_parse, (const char *)data, len, true);
	run(fnr_json_parse_own, (const char *)data, len, true);
	run(fnr_json_parse_exact, (const char *)data, len, false);   /* infinities are not equal to themselves */
	run(fnr_json_parse_foreign, (const char *)data, len, false);
	return 0;
}
