#include "config.h"

#include "registry/expression.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define ARGUMENTS 16

enum kind {
	OR, AND, NOT, LESS, LESS_EQUAL, MORE, MORE_EQUAL, EQUAL, UNEQUAL, ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATE,
	MIN, MAX, CLAMP, ABS, ROUND, FLOOR, CEIL, ROUND_TO, FLOOR_TO, CEIL_TO, IF, GIVEN, NAME, NUMBER, TRUTH, TEXT,
};

struct node {
	enum kind kind;
	enum expression_type type;
	struct node *arguments[ARGUMENTS];
	size_t count;
	double number;          /* NUMBER, TRUTH */
	char *text;             /* NAME, GIVEN, TEXT */
};

struct expression {
	struct node *nodes[EXPRESSION_NODES];
	size_t count;
	struct node *root;
};

/* ---- parsing ---- */

struct parser {
	const char *text, *at;
	int depth;
	expression_names *names;
	void *context;
	struct expression *expression;
	char *error;            /* "" as long as it goes well */
};

static struct node *parse_or(struct parser *parser);

static void fail(struct parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct parser *parser, const char *format, ...)
{
	char what[160];
	va_list args;
	if (parser->error[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	snprintf(parser->error, 256, "at character %zu: %s", (size_t)(parser->at - parser->text) + 1, what);
}

static struct node *node_make(struct parser *parser, enum kind kind, enum expression_type type)
{
	struct expression *expression = parser->expression;
	if (expression->count == EXPRESSION_NODES) {
		fail(parser, "it is too long");
		return NULL;
	}
	struct node *node = fnr_alloc(sizeof *node);
	node->kind = kind;
	node->type = type;
	return expression->nodes[expression->count++] = node;
}

static void skip_space(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t\r\n");
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A word is one only if it ends there. */
static bool take(struct parser *parser, const char *token)
{
	size_t len = strlen(token);
	skip_space(parser);
	if (strncmp(parser->at, token, len) != 0 || (is_name(token[0]) && is_name(parser->at[len])))
		return false;
	parser->at += len;
	return true;
}

static void expect(struct parser *parser, const char *token)
{
	if (parser->error[0] == '\0' && !take(parser, token))
		fail(parser, "there should be a '%s'", token);
}

static const char *const type_names[] = { "a number", "true or false", "a text" };

static bool want(struct parser *parser, const struct node *node, enum expression_type type)
{
	if (node != NULL && node->type != type)
		fail(parser, "there should be %s before this, not %s", type_names[type], type_names[node->type]);
	return node != NULL && node->type == type;
}

static struct node *node_join(struct parser *parser, enum kind kind, enum expression_type type, struct node *a, struct node *b)
{
	struct node *node = a != NULL && b != NULL ? node_make(parser, kind, type) : NULL;
	if (node == NULL)
		return NULL;
	node->arguments[0] = a;
	node->arguments[1] = b;
	node->count = 2;
	return node;
}

static struct node *parse_number(struct parser *parser)
{
	char text[64];
	size_t len = strspn(parser->at, "0123456789.");
	if (len > 0 && (parser->at[len] == 'e' || parser->at[len] == 'E')) {
		size_t sign = parser->at[len + 1] == '-' || parser->at[len + 1] == '+';
		size_t digits = strspn(parser->at + len + 1 + sign, "0123456789");
		len += digits > 0 ? 1 + sign + digits : 0;
	}
	if (len >= sizeof text || strspn(parser->at, "0123456789") == 0) {
		fail(parser, "that is no number");
		return NULL;
	}
	snprintf(text, sizeof text, "%.*s", (int)len, parser->at);
	double value = fnr_text_real(text);
	if (strchr(text, '.') != strrchr(text, '.') || !isfinite(value)) {
		fail(parser, "that is no number");
		return NULL;
	}
	parser->at += len;
	struct node *node = node_make(parser, NUMBER, EXPRESSION_NUMBER);
	if (node != NULL)
		node->number = value;
	return node;
}

static struct node *parse_text(struct parser *parser)
{
	const char *end = strchr(parser->at + 1, *parser->at);
	if (end == NULL) {
		fail(parser, "the text does not end");
		return NULL;
	}
	struct node *node = node_make(parser, TEXT, EXPRESSION_TEXT);
	if (node != NULL)
		node->text = fnr_memdup0(parser->at + 1, (size_t)(end - parser->at) - 1);
	parser->at = end + 1;
	return node;
}

static struct node *named(struct parser *parser, const char *name, enum kind kind)
{
	enum expression_type type = EXPRESSION_NUMBER;
	if (!parser->names(name, &type, parser->context)) {
		fail(parser, "'%.64s' is no parameter of this template that can be computed with", name);
		return NULL;
	}
	struct node *node = node_make(parser, kind, kind == GIVEN ? EXPRESSION_TRUTH : type);
	if (node != NULL)
		node->text = fnr_strdup(name);
	return node;
}

static const struct function { const char *name; enum kind kind; size_t least, most; } functions[] = {
	{ "min", MIN, 2, ARGUMENTS }, { "max", MAX, 2, ARGUMENTS }, { "clamp", CLAMP, 3, 3 }, { "abs", ABS, 1, 1 }, { "round", ROUND, 1, 1 },
	{ "floor", FLOOR, 1, 1 }, { "ceil", CEIL, 1, 1 }, { "round_to", ROUND_TO, 2, 2 }, { "floor_to", FLOOR_TO, 2, 2 },
	{ "ceil_to", CEIL_TO, 2, 2 }, { "if", IF, 3, 3 },
};

static void take_arguments(struct parser *parser, const struct function *function, struct node *node)
{
	do {
		if (node->count == ARGUMENTS) {
			fail(parser, "%s takes at most %d values", function->name, ARGUMENTS);
			return;
		}
		struct node *argument = parse_or(parser);
		if (argument == NULL || (function->kind != IF && !want(parser, argument, EXPRESSION_NUMBER)))
			return;
		node->arguments[node->count++] = argument;
	} while (take(parser, ","));
	expect(parser, ")");
	if (node->count < function->least || node->count > function->most)
		fail(parser, "%s takes %zu values, not %zu", function->name, function->least, node->count);
}

static struct node *parse_call(struct parser *parser, const char *name)
{
	const struct function *function = NULL;
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
		if (strcmp(functions[i].name, name) == 0)
			function = &functions[i];
	if (function == NULL) {
		fail(parser, "there is no function '%.64s'", name);
		return NULL;
	}
	struct node *node = node_make(parser, function->kind, EXPRESSION_NUMBER);
	if (node == NULL)
		return NULL;
	take_arguments(parser, function, node);
	if (parser->error[0] != '\0' || function->kind != IF)
		return node;
	want(parser, node->arguments[0], EXPRESSION_TRUTH);
	want(parser, node->arguments[2], node->arguments[1]->type);
	node->type = node->arguments[1]->type;
	return node;
}

static bool parse_name(struct parser *parser, char name[65])
{
	size_t len = 0;
	skip_space(parser);
	while (is_name(parser->at[len]))
		len++;
	if (len == 0 || len > 64) {
		fail(parser, "there should be a value here");
		return false;
	}
	snprintf(name, 65, "%.*s", (int)len, parser->at);
	parser->at += len;
	return true;
}

static struct node *parse_word(struct parser *parser)
{
	char name[65], other[65];
	if (!parse_name(parser, name))
		return NULL;
	if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0) {
		struct node *node = node_make(parser, TRUTH, EXPRESSION_TRUTH);
		if (node != NULL)
			node->number = name[0] == 't';
		return node;
	}
	if (!take(parser, "("))
		return named(parser, name, NAME);
	if (strcmp(name, "given") != 0)
		return parse_call(parser, name);
	struct node *node = parse_name(parser, other) ? named(parser, other, GIVEN) : NULL;
	expect(parser, ")");
	return node;
}

static struct node *parse_primary(struct parser *parser)
{
	struct node *node;
	skip_space(parser);
	if (*parser->at >= '0' && *parser->at <= '9')
		return parse_number(parser);
	if (*parser->at == '\'' || *parser->at == '"')
		return parse_text(parser);
	if (!take(parser, "("))
		return parse_word(parser);
	node = parse_or(parser);
	expect(parser, ")");
	return node;
}

/* One that stands in front of a value of this type. */
static struct node *parse_prefix(struct parser *parser, const char *token, enum kind kind, enum expression_type type,
                                 struct node *(*next)(struct parser *parser))
{
	if (!take(parser, token))
		return next(parser);
	if (++parser->depth > EXPRESSION_DEPTH) {
		fail(parser, "it is nested too deep");
		return NULL;
	}
	struct node *value = parse_prefix(parser, token, kind, type, next);
	parser->depth--;
	struct node *node = want(parser, value, type) ? node_make(parser, kind, type) : NULL;
	if (node == NULL)
		return NULL;
	node->arguments[0] = value;
	node->count = 1;
	return node;
}

struct operator { const char *token; enum kind kind; };

/* Several of one rank, from left to right. */
static struct node *parse_row(struct parser *parser, const struct operator *operators, enum expression_type type,
                              struct node *(*next)(struct parser *parser))
{
	struct node *left = next(parser);
	while (parser->error[0] == '\0') {
		const struct operator *operator = operators;
		while (operator->token != NULL && !take(parser, operator->token))
			operator++;
		if (operator->token == NULL)
			break;
		struct node *right = want(parser, left, type) ? next(parser) : NULL;
		left = want(parser, right, type) ? node_join(parser, operator->kind, type, left, right) : NULL;
	}
	return left;
}

static struct node *parse_minus(struct parser *parser)
{
	return parse_prefix(parser, "-", NEGATE, EXPRESSION_NUMBER, parse_primary);
}

static struct node *parse_product(struct parser *parser)
{
	static const struct operator operators[] = { { "*", MULTIPLY }, { "/", DIVIDE }, { NULL, 0 } };
	return parse_row(parser, operators, EXPRESSION_NUMBER, parse_minus);
}

static struct node *parse_sum(struct parser *parser)
{
	static const struct operator operators[] = { { "+", ADD }, { "-", SUBTRACT }, { NULL, 0 } };
	return parse_row(parser, operators, EXPRESSION_NUMBER, parse_product);
}

static struct node *parse_comparison(struct parser *parser)
{
	static const struct operator operators[] = {
		{ "<=", LESS_EQUAL }, { ">=", MORE_EQUAL }, { "<", LESS }, { ">", MORE }, { "==", EQUAL }, { "!=", UNEQUAL }, { NULL, 0 },
	};
	const struct operator *operator = operators;
	struct node *left = parse_sum(parser);
	while (left != NULL && operator->token != NULL && !take(parser, operator->token))
		operator++;
	if (left == NULL || operator->token == NULL)
		return left;
	struct node *right = parse_sum(parser);
	bool any = operator->kind == EQUAL || operator->kind == UNEQUAL;
	if (!any)
		want(parser, left, EXPRESSION_NUMBER);
	if (!want(parser, right, left->type) || parser->error[0] != '\0')
		return NULL;
	return node_join(parser, operator->kind, EXPRESSION_TRUTH, left, right);
}

static struct node *parse_not(struct parser *parser)
{
	return parse_prefix(parser, "not", NOT, EXPRESSION_TRUTH, parse_comparison);
}

static struct node *parse_and(struct parser *parser)
{
	static const struct operator operators[] = { { "and", AND }, { NULL, 0 } };
	return parse_row(parser, operators, EXPRESSION_TRUTH, parse_not);
}

static struct node *parse_or(struct parser *parser)
{
	static const struct operator operators[] = { { "or", OR }, { NULL, 0 } };
	struct node *node = NULL;
	if (++parser->depth > EXPRESSION_DEPTH)
		fail(parser, "it is nested too deep");
	else
		node = parse_row(parser, operators, EXPRESSION_TRUTH, parse_and);
	parser->depth--;
	return node;
}

struct expression *expression_parse(const char *text, expression_names *names, void *context, char error_r[256])
{
	struct expression *expression = fnr_alloc(sizeof *expression);
	struct parser parser = { .text = text, .at = text, .names = names, .context = context, .expression = expression, .error = error_r };
	error_r[0] = '\0';
	if (strlen(text) > EXPRESSION_MOST)
		fail(&parser, "it has more than %d characters", EXPRESSION_MOST);
	else
		expression->root = parse_or(&parser);
	skip_space(&parser);
	if (*parser.at != '\0')
		fail(&parser, "this does not belong here");
	fnr_text_clean(error_r);
	if (error_r[0] == '\0' && expression->root != NULL)
		return expression;
	expression_free(expression);
	return NULL;
}

void expression_free(struct expression *expression)
{
	if (expression == NULL)
		return;
	for (size_t i = 0; i < expression->count; i++) {
		free(expression->nodes[i]->text);
		free(expression->nodes[i]);
	}
	free(expression);
}

enum expression_type expression_type(const struct expression *expression)
{
	return expression->root->type;
}

/* ---- evaluating ---- */

struct value { double number; const char *text; };      /* by the node's type; a truth value is a number */

static double bounded(double number)
{
	return isnan(number) ? 0 : number > DBL_MAX ? DBL_MAX : number < -DBL_MAX ? -DBL_MAX : number;
}

static struct value value_of_name(const struct node *node, struct json_object *values)
{
	struct json_object *value = fnr_json_get(values, node->text);
	struct value out = { 0, "" };
	switch (json_object_get_type(value)) {
	case json_type_boolean:
		out.number = node->type == EXPRESSION_TRUTH && json_object_get_boolean(value);
		break;
	case json_type_int:
	case json_type_double:
		out.number = node->type == EXPRESSION_NUMBER ? bounded(json_object_get_double(value)) : 0;
		break;
	case json_type_string:
		out.text = node->type == EXPRESSION_TEXT ? json_object_get_string(value) : "";
		break;
	default:
		break;
	}
	return out;
}

static struct value evaluate(const struct node *node, struct json_object *values);

static double number_at(const struct node *node, size_t i, struct json_object *values)
{
	return evaluate(node->arguments[i], values).number;
}

static bool same(const struct node *node, struct json_object *values)
{
	struct value a = evaluate(node->arguments[0], values), b = evaluate(node->arguments[1], values);
	return node->arguments[0]->type == EXPRESSION_TEXT ? strcmp(a.text, b.text) == 0 : a.number == b.number;
}

static double to_multiple(double number, double multiple, double (*how)(double))
{
	return multiple == 0 ? number : how(number / multiple) * multiple;
}

static double extreme(const struct node *node, struct json_object *values)
{
	double found = number_at(node, 0, values);
	for (size_t i = 1; i < node->count; i++) {
		double number = number_at(node, i, values);
		if (node->kind == MIN ? number < found : number > found)
			found = number;
	}
	return found;
}

static double compute(const struct node *node, struct json_object *values)
{
	double a = number_at(node, 0, values), b = node->count > 1 ? number_at(node, 1, values) : 0;
	switch (node->kind) {
	case NOT: return a == 0;
	case LESS: return a < b;
	case LESS_EQUAL: return a <= b;
	case MORE: return a > b;
	case MORE_EQUAL: return a >= b;
	case ADD: return a + b;
	case SUBTRACT: return a - b;
	case MULTIPLY: return a * b;
	case DIVIDE: return b == 0 ? 0 : a / b;
	case NEGATE: return -a;
	case CLAMP: return a < b ? b : fmin(a, fmax(b, number_at(node, 2, values)));
	case ABS: return fabs(a);
	case ROUND: return round(a);
	case FLOOR: return floor(a);
	case CEIL: return ceil(a);
	case ROUND_TO: return to_multiple(a, b, round);
	case FLOOR_TO: return to_multiple(a, b, floor);
	case CEIL_TO: return to_multiple(a, b, ceil);
	default: return 0;
	}
}

static struct value evaluate(const struct node *node, struct json_object *values)
{
	switch (node->kind) {
	case NAME: return value_of_name(node, values);
	case GIVEN: return (struct value){ fnr_json_get(values, node->text) != NULL, "" };
	case NUMBER:
	case TRUTH: return (struct value){ node->number, "" };
	case TEXT: return (struct value){ 0, node->text };
	case IF: return evaluate(node->arguments[number_at(node, 0, values) != 0 ? 1 : 2], values);
	case OR: return (struct value){ number_at(node, 0, values) != 0 || number_at(node, 1, values) != 0, "" };
	case AND: return (struct value){ number_at(node, 0, values) != 0 && number_at(node, 1, values) != 0, "" };
	case EQUAL: return (struct value){ same(node, values), "" };
	case UNEQUAL: return (struct value){ !same(node, values), "" };
	case MIN:
	case MAX: return (struct value){ extreme(node, values), "" };
	default: return (struct value){ bounded(compute(node, values)), "" };
	}
}

bool expression_true(const struct expression *expression, struct json_object *values)
{
	return evaluate(expression->root, values).number != 0;
}

/* A whole number stays one. */
static struct json_object *json_number(double number)
{
	return floor(number) == number && fabs(number) <= 9007199254740991.0 ? json_object_new_int64((int64_t)number) : fnr_json_real(number);
}

struct json_object *expression_evaluate(const struct expression *expression, struct json_object *values)
{
	struct value value = evaluate(expression->root, values);
	switch (expression->root->type) {
	case EXPRESSION_TRUTH: return json_object_new_boolean(value.number != 0);
	case EXPRESSION_TEXT: return json_object_new_string(value.text);
	default: return json_number(value.number);
	}
}
