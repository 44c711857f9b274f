#include "base/notify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

static struct {
	struct sockaddr_un address;
	socklen_t len;                   /* 0: there is nobody to tell */
	int64_t every_ms, due;           /* of the watchdog; 0: there is none */
	bool ready;
} notify;

static void tell(const char *text)
{
	int fd = notify.len ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&notify.address, notify.len) < 0)
		fnr_warn(NULL, "systemd could not be told %s", text);
	close(fd);
}

/* A path, or an abstract name that begins with "@". */
static void take_address(const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len >= sizeof notify.address.sun_path)
		return;
	notify.address.sun_family = AF_UNIX;
	memcpy(notify.address.sun_path, name, len);
	if (name[0] == '@')
		notify.address.sun_path[0] = 0;
	notify.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void fnr_notify_init(void)
{
	const char *name = getenv("NOTIFY_SOCKET"), *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (name)
		take_address(name);
	if (period && (!pid || strtol(pid, NULL, 10) == getpid()))
		notify.every_ms = strtoll(period, NULL, 10) / 1000 / 3;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void fnr_notify_ready(void)
{
	if (!notify.ready)
		tell("READY=1");
	notify.ready = true;
}

void fnr_notify_stopping(void)
{
	tell("STOPPING=1");
}

void fnr_notify_alive(int64_t mono_ms)
{
	if (notify.every_ms <= 0 || mono_ms < notify.due)
		return;
	tell("WATCHDOG=1");
	notify.due = mono_ms + notify.every_ms;
}
