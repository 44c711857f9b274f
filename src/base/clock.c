#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "base/err.h"

#define DAY_MS INT64_C(86400000)
#define LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static int64_t read_ns(clockid_t clock)
{
	struct timespec now;

	FNR_MUST(clock_gettime(clock, &now) == 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t fnr_now_ms(void)
{
	return read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t fnr_mono_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

int64_t fnr_mono_ms(void)
{
	return fnr_mono_ns() / 1000000;
}

char *fnr_time_format(int64_t ms, char out[FNR_TIME_SIZE])
{
	struct tm tm;
	time_t seconds;

	if (ms < 0)
		ms = 0;
	if (ms > LAST_MS)
		ms = LAST_MS;
	seconds = (time_t)(ms / 1000);
	gmtime_r(&seconds, &tm);
	snprintf(out, FNR_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(tm.tm_year + 1900) % 10000u,
	         (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u,
	         (unsigned)tm.tm_min % 100u, (unsigned)tm.tm_sec % 100u, (unsigned)(ms % 1000));
	return out;
}

/* Reads exactly `digits` digits within bounds and moves *text behind them. */
static bool number(const char **text, int digits, int least, int most, int *value)
{
	*value = 0;
	for (; digits > 0; digits--, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*value = *value * 10 + (**text - '0');
	}
	return *value >= least && *value <= most;
}

static bool one_of(const char **text, char a, char b)
{
	if (**text != a && **text != b)
		return false;
	(*text)++;
	return true;
}

static int month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01, which is day 719468 of the calendar whose years begin in March. */
static int64_t day_number(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static bool fraction(const char **text, int *ms)
{
	int scale = 100;

	*ms = 0;
	if (**text != '.')
		return true;
	(*text)++;
	if (**text < '0' || **text > '9')
		return false;
	for (; **text >= '0' && **text <= '9'; (*text)++, scale /= 10)
		*ms += (**text - '0') * scale;
	return true;
}

static bool offset(const char **text, int *minutes)
{
	int hour, minute, sign;

	*minutes = 0;
	if (one_of(text, 'Z', 'z'))
		return true;
	sign = **text == '-' ? -1 : 1;
	if (!one_of(text, '+', '-') || !number(text, 2, 0, 23, &hour) || !one_of(text, ':', ':') ||
	    !number(text, 2, 0, 59, &minute))
		return false;
	*minutes = sign * (hour * 60 + minute);
	return true;
}

bool fnr_time_parse(const char *text, int64_t *ms)
{
	int year, month, day, hour, minute, second, part, shift;
	int64_t value;

	if (!number(&text, 4, 1969, 9999, &year) || !one_of(&text, '-', '-') || !number(&text, 2, 1, 12, &month) ||
	    !one_of(&text, '-', '-') || !number(&text, 2, 1, month_days(year, month), &day) ||
	    !one_of(&text, 'T', 't') || !number(&text, 2, 0, 23, &hour) || !one_of(&text, ':', ':') ||
	    !number(&text, 2, 0, 59, &minute) || !one_of(&text, ':', ':') || !number(&text, 2, 0, 60, &second) ||
	    !fraction(&text, &part) || !offset(&text, &shift) || *text)
		return false;
	value = day_number(year, month, day) * DAY_MS + (int64_t)(hour * 60 + minute - shift) * 60000;
	if (second == 60) { /* a leap second ends a UTC day; it counts as that day's last millisecond */
		if ((value + 60000) % DAY_MS != 0)
			return false;
		second = 59;
		part = 999;
	}
	value += second * 1000 + part;
	if (value < 0 || value > LAST_MS)
		return false;
	*ms = value;
	return true;
}

bool fnr_clocks_agree(int64_t one_ms, int64_t other_ms, int64_t most_ms)
{
	return one_ms - other_ms < most_ms && other_ms - one_ms < most_ms;
}
