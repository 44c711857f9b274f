#include "base/queues.h"

#include <string.h>

#include "base/err.h"
#include "base/text.h"

#define ALWAYS 4
#define NAME 65

struct names { char name[FNR_QUEUES_MOST][NAME]; size_t count; };
static struct names known = { .name = { "cpu", "gpu", "io", "priority" }, .count = ALWAYS };

size_t fnr_queue_count(void)
{
	return known.count;
}

const char *fnr_queue_name(size_t i)
{
	return known.name[i];
}

static const char *find(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->name[i], name) == 0)
			return names->name[i];
	return NULL;
}

const char *fnr_queue_find(const char *name)
{
	return find(&known, name);
}

const char *fnr_queue_list(void)
{
	static char list[FNR_QUEUES_MOST * (NAME + 2)];

	list[0] = 0;
	for (size_t i = 0; i < known.count; i++) {
		strcat(list, i ? ", " : "");
		strcat(list, known.name[i]);
	}
	return list;
}

static bool parse(const char *text, struct names *names, const char **wrong_r)
{
	*names = known;
	names->count = ALWAYS;
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");
		char name[NAME];

		*wrong_r = text;
		if (len >= sizeof name || names->count == FNR_QUEUES_MOST)
			return false;
		memcpy(name, text, len);
		name[len] = 0;
		if (!fnr_name_valid(name) || find(names, name))
			return false;
		memcpy(names->name[names->count++], name, len + 1);
		text += len;
	}
	return true;
}

bool fnr_queues_sound(const char *names, const char **wrong_r)
{
	struct names parsed;

	return parse(names, &parsed, wrong_r);
}

void fnr_queues_set(const char *names)
{
	struct names parsed;
	const char *wrong;

	FNR_MUST(parse(names, &parsed, &wrong));
	known = parsed;
}
