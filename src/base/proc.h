/* Processes of our own: what every program does first, and how children are tied to their parent. */
#ifndef FNR_BASE_PROC_H
#define FNR_BASE_PROC_H

#include <stdbool.h>
#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

/* Ends this process (SIGKILL, or the given signal) when its parent ends; ends it now if the parent (as read before
 * the fork) is gone already. */
void fnr_proc_tie(pid_t parent, int signal_number);

/* Resets all signal handlers and the mask, as a child wants it. */
void fnr_proc_reset_signals(void);

/* Names the process in ps and top (prctl and argv). Call fnr_proc_title_init once at the start of main. The title is
 * cut to the room of the first arguments: the environment behind them stays as it was, as kill_marked reads it. */
void fnr_proc_title_init(int argc, char **argv);
void fnr_proc_title(const char *title);

/* SIGTERM, SIGINT, SIGHUP and SIGCHLD arrive on the returned signalfd (non-blocking, close-on-exec) and are blocked.
 * SIGPIPE is ignored. */
int fnr_proc_signalfd(void);

/* Kills with SIGKILL every descendant of this process that is not in keep[], repeatedly, until none is left or
 * 2 s have passed, and reaps those that became its own children. What hangs below a kept process is kept too. Needs
 * PR_SET_CHILD_SUBREAPER to see detached ones. Returns how many were killed. */
int fnr_proc_kill_strays(const pid_t *keep, size_t count);

/* Kills with SIGKILL every process of this user whose environment has name=value, except this one. Returns how many. */
int fnr_proc_kill_marked(const char *name, const char *value);

#endif
