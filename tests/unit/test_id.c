#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"

static uint64_t ms_of(const struct fnr_id *id)
{
	uint64_t ms = 0;
	int i;

	for (i = 0; i < 6; i++)
		ms = ms << 8 | id->bytes[i];
	return ms;
}

static void is_version_7(const struct fnr_id *id)
{
	cr_assert_eq(id->bytes[6] >> 4, 7);
	cr_assert_eq(id->bytes[8] >> 6, 2);
}

Test(id, each_is_larger_than_the_last)
{
	struct fnr_id last = FNR_ID_NONE, before, id;
	int i;

	for (i = 0; i < 200000; i++) {
		before = last;
		id = fnr_id_next(&last);
		is_version_7(&id);
		cr_assert(fnr_id_compare(&id, &before) > 0);
		cr_assert_eq(fnr_id_compare(&id, &last), 0);
	}
	cr_assert(ms_of(&last) <= (uint64_t)fnr_now_ms());
}

Test(id, carries_the_time)
{
	int64_t before = fnr_now_ms();
	struct fnr_id id = fnr_id_random();

	is_version_7(&id);
	cr_assert(ms_of(&id) >= (uint64_t)before && ms_of(&id) <= (uint64_t)fnr_now_ms());
}

Test(id, a_clock_that_went_back)
{
	struct fnr_id last, id, future;

	cr_assert(fnr_id_parse("ff000000-0000-7123-8000-000000000000", &last));
	future = last;
	id = fnr_id_next(&last);
	cr_assert(fnr_id_compare(&id, &future) > 0);
	cr_assert_eq(ms_of(&id), ms_of(&future));
	is_version_7(&id);
}

Test(id, carries_over)
{
	struct fnr_id last, id;
	char text[FNR_ID_TEXT];

	cr_assert(fnr_id_parse("ff000000-0000-7123-bfff-ffffffffffff", &last));
	id = fnr_id_next(&last);
	cr_assert_eq(strncmp(fnr_id_format(&id, text), "ff000000-0000-7124-8000-000", 27), 0, "%s", text);
	cr_assert(fnr_id_parse("ff000000-0000-7fff-bfff-ffffffffffff", &last));
	id = fnr_id_next(&last);
	cr_assert_eq(strncmp(fnr_id_format(&id, text), "ff000000-0001-7", 15), 0, "%s", text);
	is_version_7(&id);
}

Test(id, two_that_go_on_from_one)
{
	struct fnr_id a, b, x, y;

	cr_assert(fnr_id_parse("ff000000-0000-7123-8000-000000000000", &a));
	b = a;
	x = fnr_id_next(&a);
	y = fnr_id_next(&b);
	cr_assert_neq(fnr_id_compare(&x, &y), 0);
}

Test(id, text)
{
	static const char *const bad[] = {
		"", "0198c0de", "0198c0de-1234-7abc-8def-0123456789a", "0198c0de-1234-7abc-8def-0123456789abc",
		"0198c0de01234-7abc-8def-0123456789ab", "0198c0de-1234-7abc-8def-0123456789ag",
		"{198c0de-1234-7abc-8def-0123456789a}", "0198c0de1234-7abc-8def-0123456789ab-", " 198c0de-1234-7abc-8def-0123456789ab",
	};
	struct fnr_id id, other;
	char text[FNR_ID_TEXT];
	size_t i;

	cr_assert(fnr_id_parse("0198c0de-1234-7abc-8def-0123456789ab", &id));
	cr_assert(fnr_id_parse("0198C0DE-1234-7ABC-8DEF-0123456789AB", &other));
	cr_assert_eq(fnr_id_compare(&id, &other), 0);
	cr_assert_str_eq(fnr_id_format(&id, text), "0198c0de-1234-7abc-8def-0123456789ab");
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_not(fnr_id_parse(bad[i], &id), "%s", bad[i]);
	cr_assert_not(fnr_id_parse(NULL, &id));
	cr_assert(fnr_id_is_none(&FNR_ID_NONE));
	cr_assert_not(fnr_id_is_none(&id));
}
