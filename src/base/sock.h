/* Bells and sockets between our own processes. Every program runs with the data directory as its working directory
 * and uses names relative to it ("run/…"), as a socket's name is limited to 107 bytes. */
#ifndef FNR_BASE_SOCK_H
#define FNR_BASE_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define FNR_SOCK_API "run/api.sock"          /* FastCGI, nginx -> fnr-api */
#define FNR_SOCK_UPLOAD "run/upload.sock"    /* FastCGI, the pool that files uploads */
#define FNR_SOCK_EVENTS "run/events.sock"    /* HTTP, nginx -> fnr-events */
#define FNR_BELL_MANAGER "run/manager.bell"  /* rung when jobs or commands were stored */
#define FNR_BELL_LOADER "run/loader.bell"    /* rung when templates were changed by the API: others may extend them */
#define FNR_BELL_EVENTS "run/events.bell"    /* rung when events were written */

/* A bell is a datagram socket; ringing sends an empty datagram and never waits. A full socket means that the listener
 * is awake already; a lost ring costs at most the listener's own poll of 1 s. */
int fnr_bell_open(const char *path, struct fnr_error *err);  /* listener: returns a non-blocking descriptor, or < 0 */
void fnr_bell_clear(int fd);                                 /* takes all rings that wait */
void fnr_bell_ring(const char *path);                        /* keeps its own sending socket; nobody listening is fine */

int fnr_unix_listen(const char *path, int backlog, mode_t mode, struct fnr_error *err); /* replaces a stale socket */
bool fnr_fd_send(int channel, int fd, const void *data, size_t len); /* SCM_RIGHTS with 1..n bytes of data */
ssize_t fnr_fd_recv(int channel, int *fd_r, void *data, size_t size); /* *fd_r is -1 if none came; 0 at the end */

#endif
