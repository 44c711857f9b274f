/* fnr-events: Server-Sent Events, and requests held until their job has finished. See hub.h and serve.h. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/proc.h"
#include "base/sock.h"
#include "events/serve.h"

#define CONNECTIONS 32768u
#define DESCRIPTORS_SPARE 64u         /* for everything that is not a connection */
#define STOP_MS 1500

struct program {
	struct fnr_conf conf;
	struct hub *hub;
	struct serve *serve;
	int signals, bell;
	int64_t stop_by;              /* 0 while it runs */
};

static const char *read_arguments(int argc, char **argv)
{
	static const struct option options[] = { { "data", required_argument, NULL, 'd' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	const char *data = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "d:h", options, NULL)) != -1) {
		if (option == 'd') {
			data = optarg;
			continue;
		}
		fprintf(option == 'h' ? stdout : stderr, "usage: fnr-events --data DIR\nServes event streams on DIR/" FNR_SOCK_EVENTS ".\n");
		exit(option == 'h' ? 0 : 2);
	}
	if (!data || optind != argc)
		fnr_die("fnr-events: say which data directory: fnr-events --data DIR");
	return data;
}

/* As many descriptors as allowed; returns how many connections they are enough for. */
static unsigned raise_descriptors(void)
{
	struct rlimit limit, wanted = { CONNECTIONS + DESCRIPTORS_SPARE, CONNECTIONS + DESCRIPTORS_SPARE };

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 512;
	if (limit.rlim_max < wanted.rlim_max && setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		return CONNECTIONS;
	if (limit.rlim_max > wanted.rlim_max)
		limit.rlim_max = wanted.rlim_max;
	wanted.rlim_cur = limit.rlim_max;
	wanted.rlim_max = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &wanted) < 0)
		fnr_warn(NULL, "the limit on open files stays at %llu: %s", (unsigned long long)limit.rlim_cur, strerror(errno));
	else
		limit.rlim_cur = wanted.rlim_cur;
	return limit.rlim_cur > 2 * DESCRIPTORS_SPARE ? (unsigned)limit.rlim_cur - DESCRIPTORS_SPARE : DESCRIPTORS_SPARE;
}

static void set_log_level(const struct fnr_conf *conf)
{
	int level = fnr_log_level_parse(conf->log_level);

	fnr_log_init("events", level >= 0 ? (enum fnr_log_level)level : FNR_LOG_INFO);
}

static void reload(struct program *program)
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (fnr_conf_load(&program->conf, "config.yaml", &err) != FNR_OK) {
		fnr_err(NULL, "the configuration stays as it was: %s", err.message);
		fnr_error_clear(&err);
		return;
	}
	set_log_level(&program->conf);
	hub_configure(program->hub, &program->conf);
	fnr_info(NULL, "the configuration was read again");
}

/* Nothing new comes in; streams end where they are and held requests are answered. */
static void begin_stop(struct program *program)
{
	if (program->stop_by)
		return;
	program->stop_by = fnr_mono_ms() + STOP_MS;
	serve_deaf(program->serve);
	hub_end_all(program->hub);
}

static void take_signals(struct program *program)
{
	struct signalfd_siginfo info;

	while (read(program->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGHUP)
			reload(program);
		else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			begin_stop(program);
	}
}

static int wait_time(struct program *program)
{
	int64_t now = fnr_mono_ms(), ms = hub_next(program->hub, now), http = serve_next(program->serve);

	if (http >= 0 && http < ms)
		ms = http;
	if (program->stop_by && ms > 20)
		ms = 20;
	return (int)ms;
}

static void run(struct program *program)
{
	struct pollfd fds[3] = { { program->signals, POLLIN, 0 }, { program->bell, POLLIN, 0 }, { serve_fd(program->serve), POLLIN, 0 } };

	while (!program->stop_by || (hub_count(program->hub) && fnr_mono_ms() < program->stop_by)) {
		if (poll(fds, 3, wait_time(program)) < 0 && errno != EINTR)
			FNR_BUG("poll");
		if (fds[0].revents)
			take_signals(program);
		if (fds[1].revents) {
			fnr_bell_clear(program->bell);
			hub_ring(program->hub);
		}
		hub_turn(program->hub, fnr_mono_ms());
		serve_run(program->serve);
		fnr_notify_alive(fnr_mono_ms());
	}
}

int main(int argc, char **argv)
{
	struct program program = { 0 };
	struct fnr_error err = FNR_ERROR_INIT;
	const char *data;
	unsigned connections;

	fnr_proc_title_init(argc, argv);
	fnr_log_init("events", FNR_LOG_INFO);
	fnr_notify_init();
	data = read_arguments(argc, argv);
	if (chdir(data) < 0)
		fnr_die("fnr-events: the data directory '%s' cannot be entered: %s", data, strerror(errno));
	if (fnr_conf_load(&program.conf, "config.yaml", &err) != FNR_OK)
		fnr_die("fnr-events: config.yaml: %s", err.message);
	set_log_level(&program.conf);
	connections = raise_descriptors();
	program.signals = fnr_proc_signalfd();
	program.bell = fnr_bell_open(FNR_BELL_EVENTS, &err);
	if (program.bell < 0 || hub_open(&program.hub, &program.conf, serve_wake, &err) != FNR_OK
	    || serve_open(&program.serve, program.hub, connections, &err) != FNR_OK)
		fnr_die("fnr-events: %s", err.message);
	fnr_notify_ready();
	fnr_info(NULL, "ready for %u connections", connections);
	run(&program);
	serve_close(program.serve);
	hub_close(program.hub);
	return 0;
}
