#include "schema/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define EXPONENT_MOST INT64_C(1000000000000) /* beyond it numbers are alike to us */

/* Significant digits begin at `first` and may have a point among them; there are `count`, none of them a zero at either
 * end. The last one stands for 10^exponent. Zero has none. */
struct decimal { bool negative; const char *first; size_t count; int64_t exponent; char own[40]; };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int64_t read_exponent(const char *text)
{
	bool negative = *text == '-';
	int64_t value = 0;

	for (text += *text == '-' || *text == '+'; is_digit(*text); text++)
		if (value < EXPONENT_MOST)
			value = value * 10 + (*text - '0');
	return negative ? -value : value;
}

static void read_text(const char *text, struct decimal *out)
{
	size_t digits = 0, last = 0, whole = 0, first = 0;   /* places are counted from 1 */
	bool point = false;

	out->negative = *text == '-';
	out->first = NULL;
	for (text += out->negative; is_digit(*text) || *text == '.'; text++) {
		if (*text == '.') {
			point = true;
			continue;
		}
		digits++;
		whole += !point;
		if (*text == '0')
			continue;
		if (!first) {
			first = digits;
			out->first = text;
		}
		last = digits;
	}
	out->count = first ? last - first + 1 : 0;
	out->exponent = (int64_t)whole - (int64_t)last;
	if (*text == 'e' || *text == 'E')
		out->exponent += read_exponent(text + 1);
}

/* A real without text: the shortest that reads back the same. */
static const char *shortest(double value, char out[40])
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(out, 40, "%.*g", digits, value);
		if (strchr(out, ','))
			*strchr(out, ',') = '.';
		if (fnr_text_real(out) == value)
			break;
	}
	return out;
}

size_t number_length(struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_double) ? json_object_get_userdata(value) : NULL;

	return text ? strlen(text) : 0;
}

static void read_value(struct json_object *value, struct decimal *out)
{
	const char *text;

	if (json_object_is_type(value, json_type_int)) {
		snprintf(out->own, sizeof out->own, "%lld", (long long)json_object_get_int64(value));
		text = out->own;
	} else {
		text = json_object_get_userdata(value);
		text = text ? text : shortest(json_object_get_double(value), out->own);
	}
	read_text(text, out);
}

/* The next digit at *at, 0 behind the last. */
static int next_digit(const char **at, size_t *left)
{
	if (!*left)
		return 0;
	if (**at == '.')
		++*at;
	--*left;
	return *(*at)++ - '0';
}

static int compare_digits(const struct decimal *a, const struct decimal *b)
{
	const char *at = a->first, *bt = b->first;
	size_t left = a->count, right = b->count;

	while (left || right) {
		int difference = next_digit(&at, &left) - next_digit(&bt, &right);

		if (difference)
			return difference;
	}
	return 0;
}

static int compare_decimals(const struct decimal *a, const struct decimal *b)
{
	int64_t size_a = a->exponent + (int64_t)a->count, size_b = b->exponent + (int64_t)b->count;
	int sign_a = !a->count ? 0 : a->negative ? -1 : 1, sign_b = !b->count ? 0 : b->negative ? -1 : 1;

	if (sign_a != sign_b || !sign_a)
		return sign_a - sign_b;
	if (size_a != size_b)
		return size_a < size_b ? -sign_a : sign_a;
	return sign_a * compare_digits(a, b);
}

int number_compare(struct json_object *a, struct json_object *b)
{
	double x, y;
	struct decimal left, right;

	if (json_object_is_type(a, json_type_int) && json_object_is_type(b, json_type_int)) {
		int64_t i = json_object_get_int64(a), j = json_object_get_int64(b);

		return (i > j) - (i < j);
	}
	x = json_object_get_double(a);
	y = json_object_get_double(b);
	if (x != y)
		return x < y ? -1 : 1;   /* rounding keeps the order */
	read_value(a, &left);
	read_value(b, &right);
	return compare_decimals(&left, &right);
}

struct bound bound_of(struct json_object *value)
{
	bool is_integer = json_object_is_type(value, json_type_int);

	return (struct bound){ value, is_integer ? json_object_get_int64(value) : 0, json_object_get_double(value), is_integer };
}

int number_sign(struct json_object *value)
{
	struct decimal decimal;

	read_value(value, &decimal);
	return !decimal.count ? 0 : decimal.negative ? -1 : 1;
}

bool number_whole(struct json_object *value)
{
	struct decimal decimal;
	double real;

	if (json_object_is_type(value, json_type_int))
		return true;
	real = json_object_get_double(value);
	if (fabs(real) < 1e15 ? (double)(int64_t)real != real : floor(real) != real)
		return false;
	read_value(value, &decimal);
	return !decimal.count || decimal.exponent >= 0;
}

bool divisor_read(struct json_object *value, struct divisor *divisor_r)
{
	struct decimal decimal;
	const char *at;
	size_t left;

	read_value(value, &decimal);
	*divisor_r = (struct divisor){ 0, decimal.exponent };
	if (decimal.count > DIVISOR_DIGITS)
		return false;
	for (at = decimal.first, left = decimal.count; left;)
		divisor_r->digits = divisor_r->digits * 10 + (uint64_t)next_digit(&at, &left);
	return true;
}

static uint64_t times(uint64_t a, uint64_t b, uint64_t modulus)
{
	return (uint64_t)((unsigned __int128)a * b % modulus);
}

/* digits(value) * 10^(difference of the exponents) mod digits(divisor). Where the divisor's last digit counts more than the
 * value's, the value, whose digits do not end in 0, cannot be a multiple. */
bool number_divides(const struct divisor *divisor, struct json_object *value)
{
	struct decimal decimal;
	uint64_t rest = 0, power = 10 % divisor->digits, difference;
	const char *at;
	size_t left;

	if (divisor->exponent == 0 && json_object_is_type(value, json_type_int))
		return number_divides_whole(divisor->digits, json_object_get_int64(value));
	read_value(value, &decimal);
	if (!decimal.count)
		return true;
	if (decimal.exponent < divisor->exponent)
		return false;
	for (at = decimal.first, left = decimal.count; left;)
		rest = (uint64_t)(((unsigned __int128)rest * 10 + (unsigned)next_digit(&at, &left)) % divisor->digits);
	for (difference = (uint64_t)(decimal.exponent - divisor->exponent); difference && rest; difference >>= 1) {
		if (difference & 1)
			rest = times(rest, power, divisor->digits);
		power = times(power, power, divisor->digits);
	}
	return rest == 0;
}
