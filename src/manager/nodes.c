/* The node classes of servers. A server tells them in megabytes, and they change only when it is started anew or something is loaded into
 * it; so it is asked for them by itself, after it has answered: when its version is another one, when it was away, when somebody wants it
 * asked, when a job was refused there for something that it lacks, and now and then. What is not known is nothing against it. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "base/mem.h"
#include "manager/manager.h"
#include "registry/nodes.h"

#define KEEP_MS 3600000       /* longest that they are taken to be as they were: making the list stops a real server for seconds */
#define DOUBT_MS 60000        /* shortest, after which a refusal makes us doubt it */

static void set(struct backend *backend, const char *text)
{
	struct backend_nodes *nodes = &backend->nodes;

	free(nodes->set);
	nodes->set = text ? fnr_strdup(text) : NULL;
	nodes->len = text ? strlen(text) : 0;
	nodes->news = true;
	memset(nodes->seen, 0, sizeof nodes->seen);
}

void nodes_changed(struct backend *backend)
{
	backend->nodes.asked = false;      /* what is on its way may be as it was before */
	backend->nodes.due = 0;
}

void nodes_forget(struct backend *backend)
{
	set(backend, NULL);
	nodes_changed(backend);
}

void nodes_doubt(const struct manager *manager, struct backend *backend)
{
	if (manager->turn.mono - backend->nodes.told_at >= DOUBT_MS)
		nodes_changed(backend);
}

bool nodes_due(const struct manager *manager, const struct backend *backend)
{
	const struct backend_kind *kind = backend_find(backend->kind);

	return kind && kind->probe_nodes && backend->known && backend->nodes.due <= manager->turn.mono;
}

bool nodes_ask(const struct manager *manager, struct backend *backend)
{
	backend->nodes.asked = nodes_due(manager, backend);
	return backend->nodes.asked;
}

static bool another_version(const struct backend *backend, struct json_object *found)
{
	return strcmp(fnr_json_get_text(backend->found, "version", ""), fnr_json_get_text(found, "version", "")) != 0;
}

void nodes_answered(const struct manager *manager, struct backend *backend, struct json_object *found)
{
	struct backend_nodes *nodes = &backend->nodes;

	if (nodes->asked) {
		set(backend, fnr_json_get_text(found, "nodes", NULL));
		nodes->asked = false;
		nodes->told_at = manager->turn.mono;
		nodes->due = manager->turn.mono + KEEP_MS;
	} else if (another_version(backend, found)) {
		nodes_forget(backend);
	}
	if (nodes->set)
		fnr_json_set_int(found, "nodes", (int64_t)nodes_count(nodes->len));
	else
		json_object_object_del(found, "nodes");
}

bool nodes_suffice(struct backend *backend, uint32_t need, struct json_object *names)
{
	struct backend_nodes *nodes = &backend->nodes;
	struct backend_nodes_seen *seen = &nodes->seen[need % BACKEND_NODES_SEEN];

	if (!names || !nodes->set)
		return true;
	if (!need)
		return nodes_has_all(nodes->set, nodes->len, names);
	if (seen->need != need)
		*seen = (struct backend_nodes_seen){ need, nodes_has_all(nodes->set, nodes->len, names) };
	return seen->suffice;
}
