/* The formats of JSON Schema, for where they are asserted: all of the draft. */
#include <string.h>

#include "schema/host.h"
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

/* ---- hosts and addresses ---- */

#define OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 OCTET "(?:\\." OCTET "){3}"

static bool is_ipv4(const char *text, size_t len)
{
	return fits("^" IPV4 "$", text, len);
}

/* Groups of up to four digits, eight of them, or fewer where "::" stands for at least one; the last two may be an IPv4 address. */
static bool is_ipv6(const char *text, size_t len)
{
	const char *at = text, *end = text + len;
	int groups = 0;
	bool open = false;

	if (len >= 2 && text[0] == ':' && text[1] == ':') {
		open = true;
		at += 2;
	}
	while (at < end) {
		size_t digits_ = 0;

		if (is_ipv4(at, (size_t)(end - at))) {
			groups += 2;
			break;
		}
		while (at + digits_ < end && ((at[digits_] >= '0' && at[digits_] <= '9') || ((at[digits_] | 32) >= 'a' && (at[digits_] | 32) <= 'f')))
			digits_++;
		if (digits_ < 1 || digits_ > 4)
			return false;
		groups++;
		at += digits_;
		if (at == end)
			break;
		if (*at++ != ':' || at == end)
			return false;
		if (*at == ':') {
			if (open)
				return false;
			open = true;
			at++;
		}
	}
	return open ? groups < 8 : groups == 8;
}

/* Behind the @: a host, or an address in brackets. `host` decides on the former. */
static bool is_mailbox(const char *text, size_t len, const char *local, bool (*host)(const char *text, size_t len))
{
	const char *at = memrchr(text, '@', len);
	size_t domain;

	if (!at || !fits(local, text, (size_t)(at - text)))
		return false;
	domain = len - (size_t)(++at - text);
	if (domain < 2 || at[0] != '[' || at[domain - 1] != ']')
		return host(at, domain);
	if (domain > 7 && strncmp(at, "[IPv6:", 6) == 0)
		return is_ipv6(at + 6, domain - 7);
	return is_ipv4(at + 1, domain - 2);
}

#define ATEXT "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
#define ATEXT_8 "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u0080-\\u{10ffff}-]"

static bool is_email(const char *text, size_t len)
{
	return is_mailbox(text, len, "^(?:" ATEXT "+(?:\\." ATEXT "+)*|\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\")$", host_is_ascii);
}

static bool is_idn_email(const char *text, size_t len)
{
	return is_mailbox(text, len, "^(?:" ATEXT_8 "+(?:\\." ATEXT_8 "+)*|\"(?:[ !#-\\[\\]-~\\u0080-\\u{10ffff}]|\\\\[ -~])*\")$", host_is_idn);
}

/* ---- RFC 3986, RFC 3987 ---- */

#define ESCAPE "%[0-9A-Fa-f]{2}"
#define WIDE "\\u00a0-\\u{10ffff}"
#define PCHAR(more) "(?:[A-Za-z0-9._~!$&'()*+,;=:@" more "-]|" ESCAPE ")"
#define USER(more) "(?:(?:[A-Za-z0-9._~!$&'()*+,;=:" more "-]|" ESCAPE ")*@)?"
#define NAME(more) "(?:\\[[0-9A-Fa-fv:.]+\\]|(?:[A-Za-z0-9._~!$&'()*+,;=" more "-]|" ESCAPE ")*)"
#define AUTHORITY(more) "//" USER(more) NAME(more) "(?::[0-9]*)?"
#define REST(more) "(?:\\?(?:" PCHAR(more) "|[/?])*)?(?:#(?:" PCHAR(more) "|[/?])*)?"
#define ROOTED(more) "(?:" AUTHORITY(more) "(?:/" PCHAR(more) "*)*|/(?:" PCHAR(more) "+(?:/" PCHAR(more) "*)*)?"
#define ABSOLUTE(more) "[A-Za-z][A-Za-z0-9+.-]*:" ROOTED(more) "|" PCHAR(more) "+(?:/" PCHAR(more) "*)*|)" REST(more)
#define SEGMENT(more) "(?:[A-Za-z0-9._~!$&'()*+,;=@" more "-]|" ESCAPE ")+"
#define RELATIVE(more) ROOTED(more) "|" SEGMENT(more) "(?:/" PCHAR(more) "*)*|)" REST(more)

static bool is_uri(const char *text, size_t len)
{
	return fits("^" ABSOLUTE("") "$", text, len);
}

static bool is_uri_reference(const char *text, size_t len)
{
	return is_uri(text, len) || fits("^" RELATIVE("") "$", text, len);
}

static bool is_iri(const char *text, size_t len)
{
	return fits("^" ABSOLUTE(WIDE) "$", text, len);
}

static bool is_iri_reference(const char *text, size_t len)
{
	return is_iri(text, len) || fits("^" RELATIVE(WIDE) "$", text, len);
}

/* RFC 6570 */
#define VARIABLE "(?:[A-Za-z0-9_]|" ESCAPE ")(?:\\.?(?:[A-Za-z0-9_]|" ESCAPE "))*(?::[1-9][0-9]{0,3}|\\*)?"

static bool is_uri_template(const char *text, size_t len)
{
	return fits("^(?:[^\\u0000-\\u0020\"'%<>\\\\^`{|}]|" ESCAPE "|\\{[+#./;?&=,!@|]?" VARIABLE "(?:," VARIABLE ")*\\})*$", text, len);
}

static const struct format formats[] = {
	{ "date", "2026-01-31", is_date }, { "time", "12:30:00Z", is_time }, { "date-time", "2026-01-31T12:30:00Z", is_date_time },
	{ "duration", "P1DT12H", is_duration }, { "uuid", "01980000-0000-7000-8000-000000000000", is_uuid },
	{ "json-pointer", "/a/b", is_json_pointer }, { "relative-json-pointer", "1/a", is_relative_json_pointer }, { "regex", "^a+$", is_regex },
	{ "ipv4", "192.0.2.1", is_ipv4 }, { "ipv6", "2001:db8::1", is_ipv6 }, { "hostname", "www.example.com", host_is_ascii },
	{ "idn-hostname", "www.example.com", host_is_idn },
	{ "email", "name@example.com", is_email }, { "idn-email", "name@example.com", is_idn_email },
	{ "uri", "https://example.com/a", is_uri }, { "uri-reference", "/a?b#c", is_uri_reference }, { "iri", "https://example.com/a", is_iri },
	{ "iri-reference", "/a?b#c", is_iri_reference }, { "uri-template", "/a/{name}", is_uri_template },
};

const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}
