#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"

Test(clock, format)
{
	char text[FNR_TIME_SIZE];

	cr_assert_str_eq(fnr_time_format(0, text), "1970-01-01T00:00:00.000Z");
	cr_assert_str_eq(fnr_time_format(1795435200123, text), "2026-11-23T12:00:00.123Z");
	cr_assert_str_eq(fnr_time_format(INT64_C(253402300799999), text), "9999-12-31T23:59:59.999Z");
	cr_assert_str_eq(fnr_time_format(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
	cr_assert_str_eq(fnr_time_format(-1, text), "1970-01-01T00:00:00.000Z");
}

Test(clock, parse)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-23T12:00:00.123Z", 1795435200123 },
		{ "2026-11-23t12:00:00.123z", 1795435200123 },
		{ "2026-11-23T12:00:00.1239999999999999999999Z", 1795435200123 },
		{ "2026-11-23T12:00:00.1Z", 1795435200100 },
		{ "2026-11-23T13:00:00.123+01:00", 1795435200123 },
		{ "2026-11-23T06:30:00.123-05:30", 1795435200123 },
		{ "2026-11-24T11:59:00.123+23:59", 1795435200123 },
		{ "2026-11-23T12:00:00.123-00:00", 1795435200123 },
		{ "1969-12-31T23:00:00-01:00", 0 },
		{ "2024-02-29T00:00:00Z", 1709164800000 },
		{ "2000-02-29T00:00:00Z", 951782400000 },
		{ "2016-12-31T23:59:60Z", 1483228799999 },
		{ "2017-01-01T00:59:60+01:00", 1483228799999 },
		{ "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
	};
	int64_t ms;
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ms = -1;
		cr_expect(fnr_time_parse(cases[i].text, &ms), "%s", cases[i].text);
		cr_expect_eq(ms, cases[i].ms, "%s: %ld", cases[i].text, (long)ms);
	}
}

Test(clock, parse_refuses)
{
	static const char *const cases[] = {
		"", "2026", "2026-11-23", "2026-11-23T12:00:00", "2026-11-23T12:00Z", "2026-11-23 12:00:00Z",
		"2026-11-23T12:00:00.Z", "2026-11-23T12:00:00,1Z", "2026-11-23T12:00:00+1:00", "2026-11-23T12:00:00+0100",
		"2026-11-23T12:00:00+24:00", "2026-11-23T12:00:00+01:60", "2026-11-23T12:00:00Z ", " 2026-11-23T12:00:00Z",
		"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z", "2026-01-01T00:00:60Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z", "-026-11-23T12:00:00Z", "2026-1-23T12:00:00Z",
		"2026-11-23T12:00:00Zx", "2026-11-23T12:00:00z+01:00", "1795435200", "now",
	};
	int64_t ms = 42;
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_not(fnr_time_parse(cases[i], &ms), "%s", cases[i]);
	cr_assert_eq(ms, 42);
}

Test(clock, round_trip)
{
	char text[FNR_TIME_SIZE];
	int64_t ms, back;

	for (ms = 0; ms < INT64_C(253402300799999); ms += INT64_C(86400000) * 97 + 12345677) {
		cr_assert(fnr_time_parse(fnr_time_format(ms, text), &back));
		cr_assert_eq(back, ms, "%s", text);
	}
}

Test(clock, goes_on)
{
	int64_t ns = fnr_mono_ns();

	cr_assert(fnr_now_ms() > INT64_C(1600000000000));
	cr_assert(fnr_mono_ns() >= ns);
	cr_assert(fnr_mono_ms() >= ns / 1000000);
}

Test(clock, clocks_agree)
{
	const int64_t hour = 3600000;

	cr_assert(fnr_clocks_agree(0, 0, hour) && fnr_clocks_agree(hour, hour, hour) && fnr_clocks_agree(1000 * hour, 1000 * hour + 500, hour));
	cr_assert(!fnr_clocks_agree(2 * hour, 0, hour) && !fnr_clocks_agree(0, 2 * hour, hour) && !fnr_clocks_agree(-hour, 0, hour));
}
