/* fnr serve: the whole system in the foreground, from one data directory, on a loopback address.
 *
 * A dull supervisor: it makes the folders, writes nginx's configuration, starts the four programs, starts again what
 * dies, and ends them in order. Everything below it is tied to it, and what a killed predecessor may have left is found
 * by its environment (FNR_DATA) and ended before anything is started.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/proc.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/data.h"
#include "cli/nginx_conf.h"
#include "store/store.h"

#define OPEN_FILES 65536
#define READY_WITHIN_MS 60000
#define QUICK_DEATH_MS 1000        /* a program that lives shorter is started again only after a pause */
#define PAUSE_MOST_MS 5000
#define STARTS_IN_VAIN 5           /* deaths before all was ready once: then we give up */
#define STOP_SLACK_MS 25000        /* beyond the grace of running jobs: what files results and writes what was posted takes its time */
#define FORK_PAUSE_MS 1000         /* until a program is started for which there was no process */
#define MANAGER_MS 15000           /* until a manager that is still there counts as somebody else's; one that was killed may wait for its disk */
#define PORT_MS 3000               /* until a port that is in use counts as taken */
#define LOCK_MS 10000              /* the same of the lock of one that has died */

struct service {
	const char *name;
	char program[PATH_MAX];
	char *arguments[12];
	int stop_signal;
	bool passes_hup;
	pid_t pid;
	int64_t started_at, start_at;  /* CLOCK_BOOTTIME; start_at: not before */
	int64_t pause_ms;
	unsigned vain;
	int status;
};

struct serve {
	char data[PATH_MAX];           /* absolute */
	struct listen listen;
	struct fnr_conf conf;
	struct service services[4];
	int signals, lock;
	int log, terminal;             /* where the log goes from the first program on, and where our own complaints go; -1: as it is */
	const char *log_name;
	bool ready, stopping;
	int64_t kill_at;
};

enum { MANAGER, API_, EVENTS, NGINX, SERVICES };

/* ---- places ---- */

static const char *program_dir(void)
{
	const char *programs = getenv("FNR_LIBEXEC");

	return programs && *programs ? programs : FNR_LIBEXECDIR;
}

static bool has_died(const char *pid)
{
	return atoi(pid) > 0 && kill(atoi(pid), 0) != 0 && errno == ESRCH;
}

/* One that was killed while it started a program leaves the lock to that child, until it begins or dies as well. */
static void take_lock(struct serve *serve)
{
	int64_t until = fnr_mono_ms() + LOCK_MS;
	char text[32] = "";
	ssize_t len;

	serve->lock = open("run/serve.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (serve->lock < 0)
		fnr_die("cannot open run/serve.lock in %s: %s", serve->data, strerror(errno));
	while (flock(serve->lock, LOCK_EX | LOCK_NB) != 0) {
		len = pread(serve->lock, text, sizeof text - 1, 0);
		text[len > 0 ? strcspn(text, "\n") : 0] = 0;
		if (!has_died(text) || fnr_mono_ms() > until)
			fnr_die("another fnr serve (pid %s) works on the data directory %s; stop it first, or name another with --data DIR",
			        *text ? text : "unknown", serve->data);
		usleep(20000);
	}
	snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (ftruncate(serve->lock, 0) != 0 || pwrite(serve->lock, text, strlen(text), 0) < 0)
		fnr_warn(NULL, "run/serve.lock cannot be written: %s; it is locked all the same", strerror(errno));
}

/* A manager that others than us started (units of systemd) works on: its scripts are not ours to end. One that a killed fnr serve
 * left is on its way out. */
static void refuse_second_manager(const struct serve *serve)
{
	int fd = open("run/manager.lock", O_RDONLY | O_CLOEXEC);
	int64_t until = fnr_mono_ms() + MANAGER_MS;
	char text[32] = "";
	bool held;

	while ((held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0) && fnr_mono_ms() < until)
		usleep(20000);
	if (held && read(fd, text, sizeof text - 1) > 0)
		text[strcspn(text, "\n")] = 0;
	fnr_fd_close(&fd);
	if (held)
		fnr_die("an fnr-manager (pid %s) works on the data directory %s; stop the service that runs it first, or name another with --data DIR",
		        *text ? text : "unknown", serve->data);
}

/* LMDB reads a file as memory: one that was cut off kills whoever opens it, without a word. So it is tried first, by a
 * process that may die of it. */
static void try_store(const struct serve *serve)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store *store;
	int status = 0;
	pid_t pid;

	if (access("store/data.mdb", F_OK) != 0)
		return;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL);
		/* As a writer: a store of an older version is upgraded before anybody else looks at it. */
		if (store_open(&store, true, &err) == FNR_OK)
			store_close(store);
		else if (err.code == FNR_E_CORRUPT && !strstr(err.message, "schema version"))
			fnr_die("%s; take it from a backup with 'fnr restore'", err.message);
		else
			fnr_die("%s", err.message);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fnr_die("cannot try the store: %s", strerror(errno));
	if (WIFSIGNALED(status))
		fnr_die("the store in %s/store cannot be read: its file is shorter than what it should hold, or the disk fails; restore it from a backup",
		        serve->data);
	if (WEXITSTATUS(status) != 0)
		exit(EXIT_FAILED);
}

/* Bodies of requests that an nginx was killed over: it would never look at them again. */
static void clear_temporary(void)
{
	struct fnr_error err = FNR_ERROR_INIT;

	fnr_tree_remove("run/nginx", NULL);
	if (fnr_dir_make("run/nginx", 0700, &err) != FNR_OK)
		fnr_die("%s", err.message);
}

/* ---- the port ---- */

/* nginx would say it in its own words and only after the others were started. One of a life before that was just killed
 * may hold the port for a moment. */
static void check_port(const struct listen *listen)
{
	int fd = socket(listen->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	int64_t until = fnr_mono_ms() + PORT_MS;
	bool bound;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	while (!(bound = bind(fd, (const struct sockaddr *)&listen->address, listen->len) == 0) && errno == EADDRINUSE && fnr_mono_ms() < until)
		usleep(50000);
	if (!bound)
		fnr_die("%s cannot be used: %s; choose another port with --port N", listen->text,
		        errno == EADDRINUSE ? "another program listens there" : strerror(errno));
	close(fd);
}

/* ---- services ---- */

static void define(struct serve *serve)
{
	static const char *const names[] = { "fnr-manager", "fnr-api", "fnr-events" };

	for (int i = 0; i < NGINX; i++) {
		struct service *service = &serve->services[i];

		service->name = names[i];
		snprintf(service->program, sizeof service->program, "%.4000s/%s", program_dir(), names[i]);
		service->arguments[0] = service->program;
		service->arguments[1] = "--data";
		service->arguments[2] = serve->data;
		service->stop_signal = SIGTERM;
		service->passes_hup = i != EVENTS;
	}
	serve->services[NGINX] = (struct service){ .name = "nginx", .stop_signal = SIGQUIT };
	snprintf(serve->services[NGINX].program, PATH_MAX, "%s", getenv("FNR_NGINX_PROGRAM") ? getenv("FNR_NGINX_PROGRAM") : FNR_NGINX);
	static char prefix[PATH_MAX + 1];
	snprintf(prefix, sizeof prefix, "%s/", serve->data);
	char *const arguments[] = { serve->services[NGINX].program, "-p", prefix, "-c", "run/nginx.conf", "-e", "stderr", NULL };
	memcpy(serve->services[NGINX].arguments, arguments, sizeof arguments);
}

static void start(struct service *service)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0) {                 /* the others work on */
		fnr_err(NULL, "%s cannot be started at the moment: %s", service->name, strerror(errno));
		service->start_at = fnr_mono_ms() + FORK_PAUSE_MS;
		return;
	}
	if (pid == 0) {
		fnr_proc_reset_signals();
		setpgid(0, 0);             /* Ctrl-C is ours to pass on, in order */
		fnr_proc_tie(parent, SIGKILL);
		execv(service->program, service->arguments);
		fprintf(stderr, "fnr serve: cannot run %s: %s\n", service->program, strerror(errno));
		_exit(127);
	}
	service->pid = pid;
	service->started_at = fnr_mono_ms();
}

static void obituary(const struct service *service)
{
	if (WIFSIGNALED(service->status) && WTERMSIG(service->status) == SIGBUS)
		fnr_err(NULL, "%s (pid %d) could not read the store or the journal: a file there is shorter than what it should hold, or the disk fails",
		          service->name, (int)service->pid);
	else if (WIFSIGNALED(service->status))
		fnr_warn(NULL, "%s (pid %d) was ended by signal %d", service->name, (int)service->pid, WTERMSIG(service->status));
	else
		fnr_warn(NULL, "%s (pid %d) ended with status %d", service->name, (int)service->pid, WEXITSTATUS(service->status));
}

static void buried(struct serve *serve, struct service *service)
{
	int64_t now = fnr_mono_ms();

	if (!serve->stopping)
		obituary(service);
	if (now - service->started_at < QUICK_DEATH_MS) {
		service->vain++;
		service->pause_ms = service->pause_ms ? service->pause_ms * 2 : 100;
		if (service->pause_ms > PAUSE_MOST_MS)
			service->pause_ms = PAUSE_MOST_MS;
	} else {
		service->vain = 0;
		service->pause_ms = 0;
	}
	service->start_at = now + service->pause_ms;
	service->pid = 0;
}

static void reap(struct serve *serve)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < SERVICES; i++)
			if (serve->services[i].pid == pid) {
				serve->services[i].status = status;
				buried(serve, &serve->services[i]);
			}
}

/* What fell to us when a program was killed (strays of a script whose worker and manager are gone) is ended. */
static void end_strays(struct serve *serve)
{
	pid_t keep[SERVICES];
	size_t count = 0;

	for (int i = 0; i < SERVICES; i++)
		if (serve->services[i].pid)
			keep[count++] = serve->services[i].pid;
	fnr_proc_kill_strays(keep, count);
}

static void start_due(struct serve *serve)
{
	for (int i = 0; i < SERVICES; i++) {
		struct service *service = &serve->services[i];

		if (service->pid || fnr_mono_ms() < service->start_at)
			continue;
		if (service->started_at)
			end_strays(serve);
		start(service);
	}
}

static void end_all(struct serve *serve, int signal_number)
{
	for (int i = 0; i < SERVICES; i++)
		if (serve->services[i].pid)
			kill(serve->services[i].pid, signal_number);
}

static bool any_alive(const struct serve *serve)
{
	for (int i = 0; i < SERVICES; i++)
		if (serve->services[i].pid)
			return true;
	return false;
}

/* What keeps us from starting is said to whoever started us; the log begins when there are programs to write it. */
static void log_to_file(struct serve *serve)
{
	if (serve->log < 0)
		return;
	serve->terminal = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(serve->log, STDERR_FILENO);
}

static void give_up(struct serve *serve, const struct service *service)
{
	end_all(serve, SIGKILL);
	while (any_alive(serve)) {
		serve->stopping = true;
		usleep(10000);
		reap(serve);
	}
	end_strays(serve);
	if (serve->terminal < 0)
		fnr_die("%s cannot be started; its last words are above", service->name);
	dup2(serve->terminal, STDERR_FILENO);
	fnr_die("%s cannot be started; its last words are in %s", service->name, serve->log_name);
}

/* ---- readiness ---- */

static bool ask_ready(const struct listen *listen)
{
	static const char request[] = "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";
	struct timeval patience = { .tv_sec = 2 };
	char answer[64] = "";
	int fd = socket(listen->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t len = -1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (connect(fd, (const struct sockaddr *)&listen->address, listen->len) == 0 && fnr_write_all(fd, request, sizeof request - 1))
		len = recv(fd, answer, sizeof answer - 1, MSG_WAITALL);
	close(fd);
	return len > 12 && strncmp(answer + 8, " 200", 4) == 0;
}

static void tell_ready(struct serve *serve)
{
	char url[sizeof serve->listen.text + 16];

	snprintf(url, sizeof url, "http://%s/\n", serve->listen.near);
	fnr_file_write("run/url", url, strlen(url), 0600, NULL);
	serve->ready = true;
	printf("ready %s", url);
	fflush(stdout);
	fnr_notify_ready();
}

/* ---- the loop ---- */

static void stop_begin(struct serve *serve)
{
	serve->stopping = true;
	fnr_notify_stopping();
	serve->kill_at = fnr_mono_ms() + serve->conf.stop_grace * 1000 + STOP_SLACK_MS;
	fnr_info(NULL, "stopping; running jobs may finish within %lld s", (long long)serve->conf.stop_grace);
	/* First nothing new comes in, then what came in is written, then what runs may finish; streams end last. */
	for (int i = NGINX; i >= MANAGER; i--)
		if (serve->services[i].pid && i != EVENTS)
			kill(serve->services[i].pid, serve->services[i].stop_signal);
}

static void on_signal(struct serve *serve, uint32_t number)
{
	if (number == SIGHUP) {
		for (int i = 0; i < SERVICES; i++)
			if (serve->services[i].pid && serve->services[i].passes_hup)
				kill(serve->services[i].pid, SIGHUP);
	} else if (number == SIGTERM || number == SIGINT) {
		if (!serve->stopping) {
			stop_begin(serve);
			return;
		}
		fnr_info(NULL, "stopping at once");
		serve->kill_at = fnr_mono_ms() + STOP_SLACK_MS;
		for (int i = 0; i < SERVICES; i++)
			if (serve->services[i].pid)
				kill(serve->services[i].pid, SIGTERM);
	}
}

static void take_signals(struct serve *serve, int timeout_ms)
{
	struct pollfd ready = { .fd = serve->signals, .events = POLLIN };
	struct signalfd_siginfo info;

	if (poll(&ready, 1, timeout_ms) <= 0)
		return;
	while (read(serve->signals, &info, sizeof info) == sizeof info)
		on_signal(serve, info.ssi_signo);
}

static void run(struct serve *serve)
{
	int64_t give_up_at = fnr_mono_ms() + READY_WITHIN_MS;

	while (!serve->stopping) {
		reap(serve);
		for (int i = 0; i < SERVICES && !serve->ready; i++)
			if (serve->services[i].vain >= STARTS_IN_VAIN)
				give_up(serve, &serve->services[i]);
		start_due(serve);
		if (!serve->ready && ask_ready(&serve->listen))
			tell_ready(serve);
		if (!serve->ready && fnr_mono_ms() > give_up_at)
			give_up(serve, &serve->services[API_]);
		take_signals(serve, serve->ready ? 200 : 10);
	}
}

static void stop(struct serve *serve)
{
	while (any_alive(serve)) {
		reap(serve);
		/* fnr-events tells how the last jobs end, so it goes when the manager is gone. */
		if (!serve->services[MANAGER].pid && !serve->services[API_].pid && serve->services[EVENTS].pid)
			kill(serve->services[EVENTS].pid, SIGTERM);
		if (fnr_mono_ms() > serve->kill_at)
			end_all(serve, SIGKILL);
		take_signals(serve, 20);
	}
	end_strays(serve);
	unlink("run/url");
}

/* ---- the command ---- */

static void raise_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < OPEN_FILES && geteuid() == 0)
		limit.rlim_max = OPEN_FILES;
	limit.rlim_cur = limit.rlim_max < OPEN_FILES ? limit.rlim_max : OPEN_FILES;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
		getrlimit(RLIMIT_NOFILE, &limit);
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void open_log(struct serve *serve, const char *path)
{
	serve->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	serve->log_name = path;
	if (serve->log < 0)
		fnr_die("cannot write the log %s: %s", path, strerror(errno));
}

static int serve_run(struct serve *serve, const char *data)
{
	umask(077);
	fnr_notify_init();
	data_enter(data, serve->data);
	data_conf(serve->data, "serve", &serve->conf);
	take_lock(serve);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fnr_proc_kill_marked("FNR_SERVE", serve->data);
	refuse_second_manager(serve);
	fnr_proc_kill_marked("FNR_DATA", serve->data);
	check_port(&serve->listen);
	clear_temporary();
	try_store(serve);
	raise_files();
	unsetenv("FNR_DATA");                /* marks scripts, and what they leave: theirs alone */
	setenv("FNR_SERVE", serve->data, 1);
	nginx_conf_write(serve->data, &serve->listen, false, &serve->conf);
	define(serve);
	serve->signals = fnr_proc_signalfd();
	log_to_file(serve);
	run(serve);
	stop(serve);
	return EXIT_DONE;
}

static struct { const char *host, *log; bool no_keys; long port; } options = { .port = 8080 };

static int run_serve(int count, char **operands)
{
	static struct serve serve = { .log = -1, .terminal = -1 };

	(void)count, (void)operands;
	if (!listen_parse(&serve.listen, options.host, (int)options.port))
		return usage_error(&command_serve, "--host needs an address of this machine, like 127.0.0.1 or ::1, not '%s'", options.host);
	if (options.no_keys && !serve.listen.loopback)
		return usage_error(&command_serve, "without keys it listens on this machine only, not on %s", options.host);
	if (options.no_keys)
		setenv("FNR_API_KEYS", "0", 1);
	if (options.log)
		open_log(&serve, options.log);
	return serve_run(&serve, data_dir(shared.client.data));
}

static const struct action actions[] = { { "", "", 0, 0, "run everything until SIGTERM or Ctrl-C", run_serve }, ACTIONS_END };

static const struct option_row rows[] = {
	NUMBER("--port", 0, &options.port, 1, 65535, "N", "port (default 8080)"),
	TEXT("--host", 0, &options.host, "ADDRESS", "address (default 127.0.0.1); the connection is not encrypted: for others use "
	     "a web server with TLS in front"),
	FLAG("--no-keys", 0, &options.no_keys, "ask for no API keys; for development only"),
	TEXT("--log", 0, &options.log, "FILE", "write the log there (default: standard error)"),
	OPTIONS_END,
};

const struct command command_serve = { "serve", "Run the whole system in the foreground, on this machine only", 8, USES_DATA, actions, rows };
