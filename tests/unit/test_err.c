#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

Test(err, fail)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert_eq(fnr_fail(&err, FNR_E_NOT_FOUND, "no job %s", "x\ny\x01\xff"), FNR_E_NOT_FOUND);
	cr_assert_eq(err.code, FNR_E_NOT_FOUND);
	cr_assert_str_eq(err.message, "no job x y??");
	fnr_fail(&err, FNR_E_IO, "again: %s", err.message);
	cr_assert_str_eq(err.message, "again: no job x y??");
	cr_assert_eq(fnr_fail(NULL, FNR_E_IO, "x"), FNR_E_IO);
	fnr_error_clear(&err);
	cr_assert_eq(err.code, FNR_OK);
}

Test(err, long_messages_are_cut_at_a_character)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char text[2001];
	size_t i;

	for (i = 0; i < 2000; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[2000] = 0;
	fnr_fail(&err, FNR_E_IO, "%s", text);
	cr_assert_eq(strlen(err.message), 510);
	cr_assert(fnr_utf8_valid(err.message, strlen(err.message)));
	fnr_fail(&err, FNR_E_IO, "x%s", text);
	cr_assert_eq(strlen(err.message), 511);
}

Test(err, errno_is_told)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert_eq(fnr_fail_errno(&err, EACCES, "opening %s", "x"), FNR_E_IO);
	cr_assert_str_eq(err.message, "opening x: Permission denied");
	cr_assert_eq(fnr_fail_errno(&err, ENOSPC, "x"), FNR_E_FULL);
	cr_assert_eq(fnr_fail_errno(NULL, EDQUOT, "x"), FNR_E_FULL);
	cr_assert_eq(fnr_fail_errno(NULL, EMFILE, "x"), FNR_E_UNAVAILABLE);
}

Test(err, entries)
{
	struct fnr_error err = FNR_ERROR_INIT;

	fnr_error_add(&err, "/inputs/a", "type", "Write a number.", "must be %s", "a number");
	fnr_error_add(&err, "/inputs/b", "required", NULL, "is missing");
	cr_assert_eq(err.code, FNR_E_INVALID);
	cr_assert_str_eq(err.message, "/inputs/a: must be a number");
	cr_assert_str_eq(fnr_json_text(err.errors, NULL),
	                 "[{\"pointer\":\"/inputs/a\",\"rule\":\"type\",\"message\":\"must be a number\","
	                 "\"fix\":\"Write a number.\"},{\"pointer\":\"/inputs/b\",\"rule\":\"required\","
	                 "\"message\":\"is missing\",\"fix\":null}]");
	fnr_error_clear(&err);
	cr_assert_null(err.errors);
	fnr_error_add(NULL, "", "", NULL, "x");
	fnr_error_clear(NULL);
}

Test(err, table)
{
#define X(name, number, status, type, title) \
	cr_assert_eq(fnr_code_status(FNR_E_##name), status); \
	cr_assert_str_eq(fnr_code_type(FNR_E_##name), type); \
	cr_assert_str_eq(fnr_code_title(FNR_E_##name), title);
	FNR_CODES(X)
#undef X
	cr_assert_eq(fnr_code_status(-999), 500);
	cr_assert_str_eq(fnr_code_type(0), "internal");
}

Test(err, die, .exit_code = 1)
{
	fnr_die("bad %s", "start");
}

Test(err, bug, .signal = SIGABRT)
{
	FNR_MUST(1 == 2);
}
