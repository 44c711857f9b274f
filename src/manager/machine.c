/* What this machine has, by the kernel and by the library of its graphics cards (graphics.c): told like what servers say of themselves. */
#include "config.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "manager/manager.h"

#define DISK_EVERY_MS 250

/* What programs can get without others having to give: more than what is free. 0: the kernel does not say. */
static int64_t available_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	long long kilobytes = 0;
	char line[128];

	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "MemAvailable: %lld kB", &kilobytes) == 1)
			break;
	if (file)
		fclose(file);
	return kilobytes * 1024;
}

static void add_memory(struct json_object *found)
{
	struct sysinfo info;

	if (sysinfo(&info) != 0)
		return;
	fnr_json_set_int(found, "ram_total", (int64_t)info.totalram * info.mem_unit);
	fnr_json_set_int(found, "ram_free", available_bytes());
}

static void add_disk(struct json_object *found)
{
	struct statvfs disk;

	if (statvfs("workspace", &disk) != 0)
		return;
	fnr_json_set_int(found, "disk_total", (int64_t)(disk.f_blocks * disk.f_frsize));
	fnr_json_set_int(found, "disk_free", (int64_t)(disk.f_bavail * disk.f_frsize));
}

bool machine_disk_low(struct manager *manager)
{
	uint64_t least = (uint64_t)manager->conf.disk_start_free;
	bool low;

	if (manager->turn.mono < manager->disk_at)
		return manager->disk_low;
	manager->disk_at = manager->turn.mono + DISK_EVERY_MS;
	low = fnr_disk_free("workspace") < least || fnr_disk_free("store") < least;
	if (low != manager->disk_low)
		fnr_log(low ? FNR_LOG_ERROR : FNR_LOG_INFO, NULL, "event=%s", low ?
		        "disk.low: less than disk.start_free, or hardly room for a file, is free on the disk; nothing is started until there is more" :
		        "disk.room: there is room on the disk again; jobs are started");
	manager->disk_low = low;
	return low;
}

void machine_look(struct manager *manager)
{
	struct backend *local = &manager->local;

	if (manager->turn.mono < local->probe_due)
		return;
	local->probe_due = manager->turn.mono + manager->conf.backends_probe * 1000;
	local->probed_at = manager->turn.now;
	json_object_put(local->found);
	local->found = json_object_new_object();
	local->found_news = true;
	fnr_json_set_int(local->found, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	add_memory(local->found);
	add_disk(local->found);
	if (manager->graphics.devices)
		fnr_json_set(local->found, "devices", json_object_get(manager->graphics.devices));
}
