/* The names of queues: four that are always there, and those of the setting queue.names. A process knows the latter from
 * its last reading of the configuration. For one thread only.
 */
#ifndef FNR_BASE_QUEUES_H
#define FNR_BASE_QUEUES_H

#include <stdbool.h>
#include <stddef.h>

#define FNR_QUEUES_MOST 15

size_t fnr_queue_count(void);
const char *fnr_queue_name(size_t i);                   /* in order: cpu, gpu, io, priority, then as configured */
const char *fnr_queue_find(const char *name);           /* the same text, of this module; NULL if there is no such queue */
const char *fnr_queue_list(void);                       /* "cpu, gpu, io, priority", for messages */

/* `names`: more queues, with blanks between them. False with *wrong_r (in names) if one is no name, or not a new one, or if there
 * are too many. */
bool fnr_queues_sound(const char *names, const char **wrong_r);
void fnr_queues_set(const char *names);                 /* sound ones */

#endif
