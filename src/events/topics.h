/* Who listens to what: a hash table from a topic (a job, a batch, a project, or everything) to its listeners, so that
 * an event costs its listeners and not all streams. A listener embeds struct topic_link and is on one topic at a time.
 * One thread only. */
#ifndef FNR_EVENTS_TOPICS_H
#define FNR_EVENTS_TOPICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

enum topic_kind { TOPIC_ALL, TOPIC_JOB, TOPIC_BATCH, TOPIC_PROJECT };

struct topic { enum topic_kind kind; struct fnr_id id; };   /* id: of the job or batch; else see the makers below */

struct topic_node;
struct topic_link {
	struct topic_link *prev, *next;     /* of the same topic; next NULL at the end */
	struct topic_node *node;            /* NULL while on no topic */
};

struct topics {
	struct topic_node **buckets;
	size_t size, count;                 /* buckets (a power of two), topics */
};
#define TOPICS_INIT { 0 }

struct topic topic_all(void);
struct topic topic_job(const struct fnr_id *job);
struct topic topic_batch(const struct fnr_id *batch);
struct topic topic_project(uint32_t project);

void topics_join(struct topics *topics, struct topic topic, struct topic_link *link);
void topics_leave(struct topics *topics, struct topic_link *link);         /* on no topic: nothing happens */
/* The first listener, or NULL. None may leave while the caller walks along ->next. */
struct topic_link *topics_first(const struct topics *topics, struct topic topic);
void topics_free(struct topics *topics);                                   /* all must have left */

#endif
