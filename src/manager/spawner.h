/* The spawner: a small process that starts workers by fork alone (no exec: under 5 ms) and ends what they leave. It is
 * forked before the manager opens the store, so no worker ever holds a piece of it. It parses no job.
 *
 * The channel is a socket pair that keeps message boundaries. The manager orders; the spawner tells what became of it.
 * Everybody is tied to its parent: without the manager the spawner ends, without the spawner its workers end. The spawner
 * is a subreaper: what a killed worker had started falls to it, and is killed before the death is told, so that a job
 * can be started again at once.
 */
#ifndef FNR_MANAGER_SPAWNER_H
#define FNR_MANAGER_SPAWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum spawn_order_kind { SPAWN_START = 1, SPAWN_KILL };              /* start: with the worker's end of a socket pair */
enum spawn_news_kind { SPAWN_STARTED = 1, SPAWN_FAILED, SPAWN_DIED };

struct spawn_order { uint8_t kind; char name[32]; };
struct spawn_news { uint8_t kind; char name[32]; int32_t pid; int32_t status; };  /* status: errno or as of waitpid(2) */

/* Forks the spawner. Returns the manager's end of the channel, non-blocking, close-on-exec; dies if it cannot. */
int spawner_start(pid_t *pid_r);

/* Orders; false if the channel is full or gone. The caller closes fd. */
bool spawner_order(int channel, enum spawn_order_kind kind, const char *name, int fd);

/* Takes one message. 1: *news_r is set; 0: none now; -1: the spawner is gone. */
int spawner_news(int channel, struct spawn_news *news_r);

#endif
