#include "handlers/chain.h"

#include <string.h>
#include <uthash.h>

#include "base/mem.h"
#include "base/text.h"

enum visit { VISIT_NEW, VISIT_ON, VISIT_DONE };

struct link {
	const char *ref;                       /* NULL: it has none */
	struct json_object *depends;           /* borrowed */
	size_t next;                           /* dependency to look at */
	enum visit visit;
	uint32_t local;
	struct json_object *outputs;           /* owned */
	UT_hash_handle hh;
};

struct chain {
	struct request *req;
	struct link *links, *by_ref;
	size_t *order, *stack, count, ordered;
};

static struct json_object *member_of(struct json_object *job, struct json_object *defaults, const char *name)
{
	struct json_object *value;

	return json_object_is_type(job, json_type_object) && json_object_object_get_ex(job, name, &value) ? value : fnr_json_get(defaults, name);
}

static struct link *find(const struct chain *chain, const char *ref)
{
	struct link *link;

	HASH_FIND_STR(chain->by_ref, ref, link);
	return link;
}

static void read_one(struct chain *chain, size_t i, struct json_object *job, struct json_object *defaults)
{
	struct json_object *ref = json_object_is_type(job, json_type_object) ? fnr_json_get(job, "ref") : NULL;
	struct link *link = &chain->links[i];
	const char *pointer = fnr_arena_printf(chain->req->arena, "/jobs/%zu/ref", i);

	link->depends = member_of(job, defaults, "depends_on");
	if (!json_object_is_type(link->depends, json_type_array))
		link->depends = NULL;              /* a problem of the job's own, if it is any */
	if (!json_object_is_type(ref, json_type_string))
		return;
	link->ref = json_object_get_string(ref);
	if (!fnr_name_valid(link->ref))
		fnr_error_add(&chain->req->err, pointer, "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name", link->ref);
	else if (find(chain, link->ref))
		fnr_error_add(&chain->req->err, pointer, "unique", "give each job a ref of its own", "another job of the batch has the ref '%s'", link->ref);
	else
		HASH_ADD_KEYPTR(hh, chain->by_ref, link->ref, strlen(link->ref), link);
}

/* The job that the next dependency names; NULL if that is none of this batch. */
static struct link *next_of(struct chain *chain, struct link *link, bool *more_r)
{
	struct json_object *value;
	const char *text;
	struct link *other;
	size_t at = link->next++;

	*more_r = link->depends && at < json_object_array_length(link->depends);
	value = *more_r ? json_object_array_get_idx(link->depends, at) : NULL;
	text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	if (text[0] != '#')
		return NULL;
	other = find(chain, text + 1);
	if (!other)
		fnr_error_add(&chain->req->err, fnr_arena_printf(chain->req->arena, "/jobs/%zu/depends_on/%zu", (size_t)(link - chain->links), at), "unknown_ref",
		              "name the ref of another job of this batch, or the id of a job", "no job of the batch has the ref '%.64s'", text + 1);
	return other;
}

static void circle(struct chain *chain, const struct link *link)
{
	fnr_error_add(&chain->req->err, fnr_arena_printf(chain->req->arena, "/jobs/%zu/depends_on", (size_t)(link - chain->links)), "circle",
	              "take one of the dependencies away", "the job depends on itself, by way of '#%s'", link->ref ? link->ref : "");
}

/* Everything that it depends on, then itself; with a stack of our own, as a chain may be as long as a batch. */
static void visit(struct chain *chain, size_t first)
{
	size_t depth = 0;

	if (chain->links[first].visit != VISIT_NEW)
		return;
	chain->stack[depth++] = first;
	chain->links[first].visit = VISIT_ON;
	while (depth > 0) {
		struct link *link = &chain->links[chain->stack[depth - 1]], *other;
		bool more;

		other = next_of(chain, link, &more);
		if (!more) {
			link->visit = VISIT_DONE;
			chain->order[chain->ordered++] = chain->stack[--depth];
		} else if (other && other->visit == VISIT_ON) {
			circle(chain, link);
		} else if (other && other->visit == VISIT_NEW) {
			other->visit = VISIT_ON;
			chain->stack[depth++] = (size_t)(other - chain->links);
		}
	}
}

struct chain *chain_read(struct request *req, struct json_object *jobs, struct json_object *defaults)
{
	struct chain *chain = fnr_arena_alloc(req->arena, sizeof *chain);
	size_t count = json_object_array_length(jobs);

	chain->req = req;
	chain->count = count;
	chain->links = fnr_arena_alloc(req->arena, count * sizeof *chain->links);
	chain->order = fnr_arena_alloc(req->arena, count * sizeof *chain->order);
	chain->stack = fnr_arena_alloc(req->arena, count * sizeof *chain->stack);
	for (size_t i = 0; i < count; i++)
		read_one(chain, i, json_object_array_get_idx(jobs, i), defaults);
	for (size_t i = 0; i < count; i++)
		visit(chain, i);
	return chain;
}

void chain_free(struct chain *chain)
{
	if (!chain)
		return;
	for (size_t i = 0; i < chain->count; i++)
		json_object_put(chain->links[i].outputs);
	HASH_CLEAR(hh, chain->by_ref);
}

size_t chain_order(const struct chain *chain, size_t n)
{
	return chain->order[n];
}

void chain_added(struct chain *chain, size_t job, uint32_t local, struct json_object *outputs)
{
	chain->links[job].local = local;
	chain->links[job].outputs = json_object_get(outputs);
}

uint32_t chain_find(const struct chain *chain, const char *ref, struct json_object **outputs_r)
{
	struct link *link = find(chain, ref);

	*outputs_r = link ? link->outputs : NULL;
	return link ? link->local : 0;
}
