/* Sets of node classes: what is put in is found again, and nothing else. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/nodes.h"

#define MANY 10000

static const char *name_of(int i)
{
	static char name[64];

	snprintf(name, sizeof name, "Node Ü (%d)", i);
	return name;
}

static char *set_of(int from, int to, int step)
{
	struct nodes nodes = NODES_INIT;

	for (int i = from; i < to; i += step)
		nodes_add(&nodes, name_of(i), strlen(name_of(i)));
	return nodes_text(&nodes);
}

Test(nodes, every_other_one)
{
	char *set = set_of(0, MANY, 2);
	size_t len = strlen(set);

	cr_assert_eq(nodes_count(len), MANY / 2);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(nodes_has(set, len, name_of(i)), i % 2 == 0, "%d", i);
	free(set);
}

Test(nodes, nothing_and_one)
{
	char *none = set_of(0, 0, 1), *one = set_of(7, 8, 1);

	cr_assert_str_eq(none, "");
	cr_assert_not(nodes_has(none, 0, ""));
	cr_assert_eq(strlen(one), (size_t)NODES_DIGITS);
	cr_assert(nodes_has(one, NODES_DIGITS, name_of(7)));
	cr_assert_not(nodes_has(one, NODES_DIGITS, name_of(8)));
	cr_assert_not(nodes_has(one, NODES_DIGITS, ""));
	free(none);
	free(one);
}

Test(nodes, the_same_name_counts_once)
{
	struct nodes nodes = NODES_INIT;
	char *set;

	for (int i = 0; i < 3; i++)
		nodes_add(&nodes, "KSampler", 8);
	nodes_add(&nodes, "KSamplerAdvanced", 16);
	set = nodes_text(&nodes);
	cr_assert_eq(nodes_count(strlen(set)), 2);
	cr_assert(nodes_has(set, strlen(set), "KSampler"));
	cr_assert_not(nodes_has(set, strlen(set), "KSample"));
	free(set);
}

Test(nodes, all_of_a_list)
{
	static const struct { const char *names; bool all; } rows[] = {
		{ "[]", true }, { "[\"Node Ü (1)\"]", true }, { "[\"Node Ü (1)\",\"Node Ü (2)\"]", true }, { "[\"Node Ü (1)\",\"Node Ü (9)\"]", false },
		{ "[\"KSampler\"]", false }, { "null", true }, { "{\"a\":1}", true }, { "[null,\"Node Ü (2)\"]", true },
	};
	char *set = set_of(1, 3, 1);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct json_object *names = fnr_json_parse(rows[i].names, strlen(rows[i].names), NULL);

		cr_expect_eq(nodes_has_all(set, strlen(set), names), rows[i].all, "%s", rows[i].names);
		json_object_put(names);
	}
	free(set);
}
