/* The formats of JSON Schema that are known, for where they are asserted. */
#include <string.h>

#include "schema/pattern.h"
#include "schema/program.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly `count` digits at *at, which is moved behind them; -1 if there are not so many. */
static int digits(const char **at, const char *end, int count)
{
	int value = 0;

	for (; count--; ++*at) {
		if (*at >= end || !is_digit(**at))
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

static bool skip(const char **at, const char *end, char c)
{
	if (*at >= end || **at != c)
		return false;
	++*at;
	return true;
}

/* ---- times: RFC 3339 ---- */

static bool leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool read_date(const char **at, const char *end)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = digits(at, end, 4), month, day;

	if (year < 0 || !skip(at, end, '-'))
		return false;
	month = digits(at, end, 2);
	if (month < 1 || month > 12 || !skip(at, end, '-'))
		return false;
	day = digits(at, end, 2);
	return day >= 1 && day <= days[month - 1] + (month == 2 && leap(year));
}

/* Minutes from UTC in *minutes_r. */
static bool read_zone(const char **at, const char *end, int *minutes_r)
{
	int sign, hours, minutes;

	*minutes_r = 0;
	if (*at < end && (**at == 'Z' || **at == 'z')) {
		++*at;
		return true;
	}
	if (*at >= end || (**at != '+' && **at != '-'))
		return false;
	sign = *(*at)++ == '-' ? -1 : 1;
	hours = digits(at, end, 2);
	if (hours < 0 || hours > 23 || !skip(at, end, ':'))
		return false;
	minutes = digits(at, end, 2);
	*minutes_r = sign * (hours * 60 + minutes);
	return minutes >= 0 && minutes <= 59;
}

/* A leap second comes at the end of a day of UTC only. */
static bool read_time(const char **at, const char *end)
{
	int hour, minute, second, zone, utc;

	hour = digits(at, end, 2);
	if (hour < 0 || hour > 23 || !skip(at, end, ':'))
		return false;
	minute = digits(at, end, 2);
	if (minute < 0 || minute > 59 || !skip(at, end, ':'))
		return false;
	second = digits(at, end, 2);
	if (second < 0 || second > 60)
		return false;
	if (skip(at, end, '.')) {
		if (digits(at, end, 1) < 0)
			return false;
		while (*at < end && is_digit(**at))
			++*at;
	}
	if (!read_zone(at, end, &zone))
		return false;
	utc = ((hour * 60 + minute - zone) % 1440 + 1440) % 1440;
	return second < 60 || utc == 23 * 60 + 59;
}

static bool is_date(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	return read_date(&at, end) && at == end;
}

static bool is_time(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	return read_time(&at, end) && at == end;
}

static bool is_date_time(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	return read_date(&at, end) && (skip(&at, end, 'T') || skip(&at, end, 't')) && read_time(&at, end) && at == end;
}

/* ---- what a regular expression can say ---- */

/* Compiled once a process. */
static bool fits(const char *pattern, const char *text, size_t len)
{
	return pattern_match(pattern, text, len) == PATTERN_FITS;
}

static bool is_duration(const char *text, size_t len)
{
	return fits("^P(?!$)(?:\\d+W|(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)?(?:T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S))?)$",
	            text, len);
}

static bool is_uuid(const char *text, size_t len)
{
	return fits("^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$", text, len);
}

static bool is_json_pointer(const char *text, size_t len)
{
	return fits("^(?:/(?:[^~/]|~[01])*)*$", text, len);
}

static bool is_relative_json_pointer(const char *text, size_t len)
{
	return fits("^(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~[01])*)*)$", text, len);
}

static bool is_regex(const char *text, size_t len)
{
	char why[192];
	struct pattern *pattern = pattern_create(text, len, why, sizeof why);

	pattern_free(pattern);
	return pattern;
}

static bool is_ipv4(const char *text, size_t len)
{
	return fits("^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\\.(?!$)|$)){4}$", text, len);
}

static const struct format formats[] = {
	{ "date", "2026-01-31", is_date }, { "time", "12:30:00Z", is_time }, { "date-time", "2026-01-31T12:30:00Z", is_date_time },
	{ "duration", "P1DT12H", is_duration }, { "uuid", "01980000-0000-7000-8000-000000000000", is_uuid },
	{ "json-pointer", "/a/b", is_json_pointer }, { "relative-json-pointer", "1/a", is_relative_json_pointer }, { "regex", "^a+$", is_regex },
	{ "ipv4", "192.0.2.1", is_ipv4 },
};

const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}
