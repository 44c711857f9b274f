/* Operations that look at a value alone. Most nodes of most schemas have no others. */
#include <stdlib.h>
#include <string.h>

#include "schema/leaf.h"
#include "schema/map.h"

/* ---- enum, const ---- */

bool text_in_rest(const struct text *texts, size_t count, const char *text, size_t len, uint64_t head)
{
	for (size_t i = 0; i < count; i++)
		if (texts[i].head == head && texts[i].len == len && memcmp(texts[i].data + WORD, text + WORD, len - WORD) == 0)
			return true;
	return false;
}

/* The place in the sorted hashes where those that are not less begin. */
static size_t find_hash(const struct enumeration *list, uint64_t hash)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool text_hashed(const struct enumeration *list, const struct subject *subject)
{
	uint64_t hash = map_hash(subject->text, subject->len);

	for (size_t at = find_hash(list, hash); at < list->count && list->hashes[at] == hash; at++) {
		struct json_object *value = json_object_array_get_idx(list->values, list->order[at]);

		if (json_object_is_type(value, json_type_string) && (size_t)json_object_get_string_len(value) == subject->len &&
		    memcmp(json_object_get_string(value), subject->text, subject->len) == 0)
			return true;
	}
	return false;
}

static bool value_hashed(const struct enumeration *list, struct json_object *value, int64_t *steps)
{
	uint64_t hash = value_hash(value, steps);

	for (size_t at = find_hash(list, hash); at < list->count && list->hashes[at] == hash; at++)
		if (value_equal(json_object_array_get_idx(list->values, list->order[at]), value, steps))
			return true;
	return false;
}

static bool value_in_list(const struct enumeration *list, struct json_object *value, int64_t *steps)
{
	for (size_t i = 0; i < list->count; i++)
		if (value_equal(json_object_array_get_idx(list->values, i), value, steps))
			return true;
	return false;
}

static bool run_enum(struct run *run, const struct op *op, const struct subject *subject)
{
	const struct enumeration *list = op->enumeration;

	if (subject->kind != KIND_STRING)
		return list->hashes ? value_hashed(list, subject->value, &run->steps) : value_in_list(list, subject->value, &run->steps);
	if (list->hashes)
		return spend(run, op->home, subject->len / BYTES_A_STEP) && text_hashed(list, subject);
	return text_in_list(list, subject->text, subject->len, text_head(subject->text, subject->len));
}

/* ---- sizes ---- */

static bool count_characters(struct run *run, const struct op *op, const struct subject *subject)
{
	size_t count = 0;

	if (!spend(run, op->home, subject->len / BYTES_A_STEP))
		return false;
	for (size_t i = 0; i < subject->len; i++)
		count += ((unsigned char)subject->text[i] & 0xc0) != 0x80;
	return in_range(op, count);
}

static bool run_length(struct run *run, const struct op *op, const struct subject *subject)
{
	return length_is_clear(op, subject->len) || (subject->len >= op->range.least && count_characters(run, op, subject));
}

/* ---- numbers ---- */

/* Bounds, and behind them what it is a multiple of. */
static inline bool look_at_whole(const struct node *node, int64_t integer)
{
	const struct interval *interval = node->ops->interval;
	const struct divisor *divisor = &node->ops[interval->count].divisor;

	return whole_within(interval, integer) && divisor->exponent == 0 && number_divides_whole(divisor->digits, integer);
}

enum seen look_at_kind(const struct node *node, struct json_object *value)
{
	unsigned kind = subject_kind(value), taken = node->kinds & kind;

	if (taken != kind)
		return taken ? SEEN_OPEN : SEEN_FAILS;
	if (kind == KIND_STRING)   /* all others are seen before */
		return look_at_text(node, "", 0);
	if (kind == KIND_INTEGER && node->look == LOOK_DIVISIBLE)
		return look_at_whole(node, json_object_get_int64(value)) ? SEEN_FITS : SEEN_OPEN;
	return SEEN_OPEN;
}

static bool run_bound(const struct op *op, const struct subject *subject)
{
	int compared = subject->kind == KIND_INTEGER ? bound_compare_whole(subject->integer, subject->value, &op->bound) :
	               number_compare_bound(subject->value, &op->bound);

	switch (op->rule) {
	case RULE_MINIMUM: return compared >= 0;
	case RULE_MAXIMUM: return compared <= 0;
	case RULE_EXCLUSIVE_MINIMUM: return compared > 0;
	default: return compared < 0;
	}
}

static bool run_multiple_of(const struct op *op, const struct subject *subject)
{
	if (subject->kind == KIND_INTEGER && op->divisor.exponent == 0)
		return number_divides_whole(op->divisor.digits, subject->integer);
	return number_divides(&op->divisor, subject->value);
}

/* ---- texts ---- */

/* PATTERN_TOO_HARD stops the run. */
bool leaf_matches(struct run *run, const struct node *node, struct pattern *pattern, const char *text, size_t len)
{
	enum pattern_result result;

	if (!spend(run, node, len / BYTES_A_STEP))
		return false;
	result = pattern_run(pattern, text, len, &run->clock);
	if (result == PATTERN_TOO_HARD)
		run_give_up(run, node, "its text is too hard to match with the pattern");
	return result == PATTERN_FITS;
}

/* ---- arrays ---- */

static int by_hash(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct hashed { uint64_t hash; size_t index; };

static bool unique_sorted(struct run *run, struct json_object *value, const struct hashed *sorted, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count && sorted[j].hash == sorted[i].hash && run->steps > 0; j++)
			if (value_equal(json_object_array_get_idx(value, sorted[i].index), json_object_array_get_idx(value, sorted[j].index), &run->steps))
				return false;
	return true;
}

static bool unique_items(struct run *run, const struct subject *subject)
{
	size_t count = json_object_array_length(subject->value);
	struct hashed *sorted;
	bool unique;

	if (count < 2)
		return true;
	sorted = fnr_alloc(count * sizeof *sorted);
	for (size_t i = 0; i < count; i++)
		sorted[i] = (struct hashed){ value_hash(json_object_array_get_idx(subject->value, i), &run->steps), i };
	qsort(sorted, count, sizeof *sorted, by_hash);
	unique = unique_sorted(run, subject->value, sorted, count);
	free(sorted);
	return unique;
}

/* ---- all ---- */

/* Of a value of a kind that it applies to. */
static inline bool run_leaf(struct run *run, const struct op *op, const struct subject *subject)
{
	switch (op->rule) {
	case RULE_ENUM: case RULE_CONST:
		return run_enum(run, op, subject);
	case RULE_LENGTH:
		return run_length(run, op, subject);
	case RULE_MINIMUM: case RULE_MAXIMUM: case RULE_EXCLUSIVE_MINIMUM: case RULE_EXCLUSIVE_MAXIMUM:
		return run_bound(op, subject);
	case RULE_MULTIPLE_OF:
		return run_multiple_of(op, subject);
	case RULE_ITEM_COUNT:
		return in_range(op, json_object_array_length(subject->value));
	case RULE_MEMBER_COUNT:
		return in_range(op, (uint64_t)subject->object->count);
	case RULE_FORMAT:
		return op->format->fits(subject->text, subject->len);
	case RULE_PATTERN:
		return leaf_matches(run, op->home, op->pattern, subject->text, subject->len);
	case RULE_UNIQUE_ITEMS:
		return unique_items(run, subject);
	default:
		return true;
	}
}

/* To be called for a misfit: false if that is all that is wanted to be known. Without steps no answer means anything. */
bool leaf_misfit(struct run *run, const struct op *op, const struct subject *subject)
{
	if (!spend(run, op->home, 0))
		return false;
	report_rule(run, op->home, op, subject);
	return goes_on(run);
}

static inline bool well_within(const struct interval *interval, const struct subject *subject)
{
	return subject->kind == KIND_INTEGER ? whole_within(interval, subject->integer) : real_within(interval, json_object_get_double(subject->value));
}

/* One look at the bounds may answer for several operations. */
static inline uint32_t leaf_step(struct run *run, const struct op *op, const struct subject *subject)
{
	if (op->rule >= RULE_MINIMUM && op->rule <= RULE_EXCLUSIVE_MAXIMUM && op->interval && well_within(op->interval, subject))
		return op->interval->count;
	return run_leaf(run, op, subject);
}

uint32_t leaf_ops(struct run *run, const struct op *op, const struct subject *subject)
{
	return leaf_step(run, op, subject);
}

bool leaf_run(struct run *run, const struct node *node, const struct subject *subject)
{
	bool good = true;
	uint32_t passed;

	for (const struct op *op = node->ops, *end = op + node->op_count; op < end; op += passed) {
		passed = 1;
		if (!(op->applies & subject->kind))
			continue;
		passed = leaf_step(run, op, subject);
		if (passed)
			continue;
		passed = 1;
		good = false;
		if (!run->report || !leaf_misfit(run, op, subject))
			break;
	}
	return good;
}
