#include "events/topics.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define BUCKETS_LEAST 64

struct topic_node {
	struct topic_node *next;            /* in its bucket */
	struct topic topic;
	uint64_t hash;
	struct topic_link *first;
};

struct topic topic_all(void)
{
	return (struct topic){ .kind = TOPIC_ALL };
}

struct topic topic_job(const struct fnr_id *job)
{
	return (struct topic){ .kind = TOPIC_JOB, .id = *job };
}

struct topic topic_batch(const struct fnr_id *batch)
{
	return (struct topic){ .kind = TOPIC_BATCH, .id = *batch };
}

struct topic topic_project(uint32_t project)
{
	struct topic topic = { .kind = TOPIC_PROJECT };

	memcpy(topic.id.bytes, &project, sizeof project);
	return topic;
}

/* The last eight bytes of an id are random; clients cannot choose them, so no stronger hash is needed. */
static uint64_t hash_of(const struct topic *topic)
{
	uint64_t low, high;

	memcpy(&high, topic->id.bytes, sizeof high);
	memcpy(&low, topic->id.bytes + 8, sizeof low);
	low = (low ^ (high * 0x9e3779b97f4a7c15u) ^ topic->kind) * 0xff51afd7ed558ccdu;
	return low ^ low >> 32;
}

static bool same(const struct topic *a, const struct topic *b)
{
	return a->kind == b->kind && fnr_id_compare(&a->id, &b->id) == 0;
}

static struct topic_node **bucket_of(const struct topics *topics, uint64_t hash)
{
	return &topics->buckets[hash & (topics->size - 1)];
}

static void grow(struct topics *topics)
{
	struct topics larger = { .size = topics->size ? 2 * topics->size : BUCKETS_LEAST, .count = topics->count };

	larger.buckets = fnr_alloc(larger.size * sizeof *larger.buckets);
	for (size_t i = 0; i < topics->size; i++) {
		struct topic_node *next;

		for (struct topic_node *node = topics->buckets[i]; node; node = next) {
			struct topic_node **bucket = bucket_of(&larger, node->hash);

			next = node->next;
			node->next = *bucket;
			*bucket = node;
		}
	}
	free(topics->buckets);
	*topics = larger;
}

static struct topic_node *find(const struct topics *topics, const struct topic *topic)
{
	uint64_t hash = hash_of(topic);
	struct topic_node *node;

	if (!topics->count)
		return NULL;
	for (node = *bucket_of(topics, hash); node; node = node->next)
		if (node->hash == hash && same(&node->topic, topic))
			break;
	return node;
}

static struct topic_node *make(struct topics *topics, const struct topic *topic)
{
	struct topic_node *node = fnr_alloc(sizeof *node), **bucket;

	if (topics->count >= topics->size)
		grow(topics);
	node->topic = *topic;
	node->hash = hash_of(topic);
	bucket = bucket_of(topics, node->hash);
	node->next = *bucket;
	*bucket = node;
	topics->count++;
	return node;
}

void topics_join(struct topics *topics, struct topic topic, struct topic_link *link)
{
	struct topic_node *node = find(topics, &topic);

	FNR_MUST(!link->node);
	if (!node)
		node = make(topics, &topic);
	link->node = node;
	link->prev = NULL;
	link->next = node->first;
	if (node->first)
		node->first->prev = link;
	node->first = link;
}

static void unmake(struct topics *topics, struct topic_node *node)
{
	struct topic_node **at = bucket_of(topics, node->hash);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	topics->count--;
	free(node);
}

void topics_leave(struct topics *topics, struct topic_link *link)
{
	struct topic_node *node = link->node;

	if (!node)
		return;
	if (link->prev)
		link->prev->next = link->next;
	else
		node->first = link->next;
	if (link->next)
		link->next->prev = link->prev;
	memset(link, 0, sizeof *link);
	if (!node->first)
		unmake(topics, node);
}

struct topic_link *topics_first(const struct topics *topics, struct topic topic)
{
	struct topic_node *node = find(topics, &topic);

	return node ? node->first : NULL;
}

void topics_free(struct topics *topics)
{
	FNR_MUST(topics->count == 0);
	free(topics->buckets);
	memset(topics, 0, sizeof *topics);
}
