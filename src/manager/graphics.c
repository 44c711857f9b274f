/* Which graphics cards this machine has: asked by a child, as the driver's library may take long, hang or crash. Where there is
 * no such library it is asked seldom. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"
#include "manager/manager.h"
#include "manager/nvml.h"

#define PATIENCE_MS 20000
#define ABSENT_MS 600000
#define ANSWER_MOST 65536
#define READ_SIZE 4096

static void __attribute__((noreturn)) become_asker(pid_t parent, int out, const char *library)
{
	const struct rlimit no_core = { 0, 0 };
	struct json_object *devices;
	const char *text;
	size_t len;
	int none = open("/dev/null", O_RDWR);

	fnr_proc_tie(parent, SIGKILL);
	fnr_proc_reset_signals();
	setrlimit(RLIMIT_CORE, &no_core);
	if (none < 0 || dup2(none, 0) < 0 || dup2(none, 1) < 0 || dup2(none, 2) < 0 || dup2(out, 3) < 0)
		_exit(1);
	close_range(4, ~0U, 0);
	devices = nvml_devices(library);
	text = devices ? fnr_json_text(devices, &len) : NULL;
	_exit(text && fnr_write_all(3, text, len) ? 0 : 1);
}

static void start(struct manager *manager)
{
	struct graphics *graphics = &manager->graphics;
	pid_t parent = getpid();
	int ends[2];

	graphics->due = manager->turn.mono + ABSENT_MS;
	if (!manager->conf.gpu_library[0] || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return;
	graphics->asker = fork();
	if (graphics->asker == 0)
		become_asker(parent, ends[1], manager->conf.gpu_library);
	close(ends[1]);
	graphics->until = manager->turn.mono + PATIENCE_MS;
	graphics->fd = ends[0];
	graphics->asks = graphics->asker > 0;
	if (!graphics->asks)
		fnr_fd_close(&graphics->fd);
}

/* The child has ended: it is what it said, or there are none. */
static void take(struct manager *manager)
{
	struct graphics *graphics = &manager->graphics;
	struct json_object *devices = graphics->answer.len ? fnr_json_parse_own(graphics->answer.data, graphics->answer.len, NULL) : NULL;

	fnr_fd_close(&graphics->fd);
	graphics->asks = false;
	fnr_buf_free(&graphics->answer);
	json_object_put(graphics->devices);
	graphics->devices = devices;
	if (!devices)
		return;
	graphics->due = manager->turn.mono + manager->conf.backends_probe * 1000;
	manager->local.probe_due = manager->turn.mono;      /* it is told at once */
}

static void listen_to(struct manager *manager)
{
	struct graphics *graphics = &manager->graphics;
	ssize_t got;

	do {
		got = read(graphics->fd, fnr_buf_room(&graphics->answer, READ_SIZE), READ_SIZE);
		graphics->answer.len += got > 0 ? (size_t)got : 0;
	} while ((got > 0 && graphics->answer.len < ANSWER_MOST) || (got < 0 && errno == EINTR));
	if (got < 0 && errno == EAGAIN && manager->turn.mono < graphics->until)
		return;
	if (got != 0) {
		kill(graphics->asker, SIGKILL);     /* it has not ended: the number is still its own */
		fnr_buf_free(&graphics->answer);
	}
	take(manager);
}

void graphics_look(struct manager *manager)
{
	if (manager->graphics.asks)
		listen_to(manager);
	else if (manager->turn.mono >= manager->graphics.due)
		start(manager);
}

void graphics_free(struct manager *manager)
{
	if (manager->graphics.asks)
		fnr_fd_close(&manager->graphics.fd);
	fnr_buf_free(&manager->graphics.answer);
	json_object_put(manager->graphics.devices);
}
