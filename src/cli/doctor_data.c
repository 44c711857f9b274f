/* What fnr doctor looks at in a data directory, and at the system that runs on it. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "registry/errors.h"
#include "registry/registry.h"
#include "store/store.h"

#define CLOCK_SLACK_MS 60000
#define INODES_LEAST 20000
#define MEND_SIZE (PATH_MAX + 128)

/* ---- whose it is, and who may look ---- */

static const char *user_name(uid_t uid, char out[64])
{
	const struct passwd *entry = getpwuid(uid);

	if (entry)
		snprintf(out, 64, "%s", entry->pw_name);
	else
		snprintf(out, 64, "user %u", (unsigned)uid);
	return out;
}

static void owner(const char *data, uid_t uid)
{
	static const char *const inside[] = { "store/data.mdb", "journal", "run", "uploads", "blobs", "workspace", "admin.key" };
	char mend[MEND_SIZE], name[64], us[64], wrong[256] = "";
	struct stat info;

	for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof path, "%.4000s/%s", data, inside[i]);
		if (lstat(path, &info) == 0 && info.st_uid != uid)
			snprintf(wrong + strlen(wrong), sizeof wrong - strlen(wrong), " %s", inside[i]);
	}
	user_name(uid, name);
	snprintf(mend, sizeof mend, "sudo chown -R %s %s", name, data);
	if (*wrong) {
		finding("owner", VERDICT_FAIL, "the system runs as the owner of the data directory and cannot use files of others", mend,
		        "%s, but not of:%s", name, wrong);
	} else if (uid != geteuid()) {
		snprintf(mend, sizeof mend, "sudo -u %s fnr serve --data %s", name, data);
		finding("owner", VERDICT_WARN, "only its owner can start the system on it", mend, "%s, and you are %s", name, user_name(geteuid(), us));
	} else {
		finding("owner", VERDICT_OK, NULL, NULL, "%s", name);
	}
}

static void rights(const char *data, mode_t mode)
{
	char mend[MEND_SIZE], path[PATH_MAX];
	struct stat info;

	snprintf(mend, sizeof mend, "chmod u=rwx,go= %s", data);
	if ((mode & 0700) != 0700)
		finding("permissions", VERDICT_FAIL, "the system cannot work in it", mend, "its owner has not all rights (%04o)", mode & 07777);
	else if (mode & 077)
		finding("permissions", VERDICT_WARN, "other users of this machine can look into it", mend, "%04o, wanted is 0700", mode & 07777);
	else
		finding("permissions", VERDICT_OK, NULL, NULL, "%04o", mode & 07777);
	snprintf(path, sizeof path, "%.4000s/admin.key", data);
	if (stat(path, &info) != 0 || !(info.st_mode & 077))
		return;
	snprintf(mend, sizeof mend, "chmod 600 %s; for a new key remove that file and start the system again", path);
	finding("admin.key", VERDICT_FAIL, "who can read the key can do everything", mend, "other users can read it (%04o)", info.st_mode & 07777);
}

/* ---- the disk ---- */

static const struct { long type; const char *name; bool network; } filesystems[] = {
	{ 0x6969, "NFS", true }, { 0x517B, "SMB", true }, { (long)0xFF534D42, "CIFS", true }, { (long)0xFE534D42, "SMB2", true },
	{ 0x01021997, "9P", true }, { 0x00C36400, "Ceph", true }, { 0x5346414F, "AFS", true }, { 0x0BD00BD0, "Lustre", true },
	{ 0x65735546, "FUSE", true }, { 0x01021994, "tmpfs", false }, { (long)0x858458F6, "ramfs", false },
};

static void filesystem(const char *data)
{
	struct statfs info;

	if (statfs(data, &info) != 0) {
		finding("filesystem", VERDICT_WARN, "nothing is known of it", "df -T", "%s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < sizeof filesystems / sizeof filesystems[0]; i++) {
		if ((uint32_t)info.f_type != (uint32_t)filesystems[i].type)
			continue;
		finding("filesystem", VERDICT_WARN,
		        filesystems[i].network ? "the store maps its file into memory and locks it, which is not safe there: records can be lost"
		                               : "what is in memory only is gone when the machine is started again",
		        "stop the system, move the data directory to a disk of this machine, and name it with --data", "%s", filesystems[i].name);
		return;
	}
	finding("filesystem", VERDICT_OK, NULL, NULL, "of this machine (type %lx)", (unsigned long)info.f_type);
}

static void space(const char *data, const struct fnr_conf *conf)
{
	struct statvfs info;
	double bytes, least = (double)conf->disk_min_free;
	enum verdict verdict;

	if (statvfs(data, &info) != 0)
		return;
	bytes = (double)info.f_bavail * (double)info.f_frsize;
	verdict = bytes < least ? VERDICT_FAIL : bytes < 4 * least ? VERDICT_WARN : VERDICT_OK;
	finding("disk space", verdict, "below disk.min_free new jobs and uploads are refused", "delete takes or other files that are not needed: du -sh DATA/*; df -h",
	        "%.1f GB free, disk.min_free is %.1f GB", bytes / 1e9, least / 1e9);
	if (info.f_files == 0)
		return;
	verdict = info.f_favail < INODES_LEAST / 10 ? VERDICT_FAIL : info.f_favail < INODES_LEAST ? VERDICT_WARN : VERDICT_OK;
	finding("inodes", verdict, "without free ones no file can be made, however much space there is", "delete many small files: df -i; du --inodes -s DATA/*",
	        "%llu free", (unsigned long long)info.f_favail);
}

/* ---- settings ---- */

static void mistakes(const char *name, enum verdict verdict, const char *why, const char *mend, const struct fnr_error *err)
{
	size_t count = err->errors ? json_object_array_length(err->errors) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(err->errors, i);

		finding(name, verdict, why, mend, "%s: %s", fnr_json_get_text(entry, "pointer", ""), fnr_json_get_text(entry, "message", ""));
	}
	if (!count)
		finding(name, verdict, why, mend, "%s", err->message);
}

static void settings(const char *data, struct fnr_conf *conf)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char path[PATH_MAX], mend[MEND_SIZE];

	snprintf(path, sizeof path, "%.4000s/config.yaml", data);
	if (fnr_conf_load(conf, path, &err) == FNR_OK) {
		finding("config.yaml", VERDICT_OK, NULL, NULL, "%s", access(path, F_OK) == 0 ? "sound" : "none: everything is as 'fnr config' prints it");
		return;
	}
	snprintf(mend, sizeof mend, "edit %s; 'fnr config' prints every setting with its bounds", path);
	mistakes("config.yaml", VERDICT_FAIL, "the system does not start with it", mend, &err);
	fnr_error_clear(&err);
}

static void error_rules(const char *data)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char path[PATH_MAX], mend[MEND_SIZE];
	struct json_object *rules;

	snprintf(path, sizeof path, "%.4000s/errors.yaml", data);
	rules = error_rules_read(path, &err);
	if (rules)
		finding("errors.yaml", VERDICT_OK, NULL, NULL, "%zu rules for errors", json_object_array_length(rules));
	else if (err.code != FNR_E_NOT_FOUND) {
		snprintf(mend, sizeof mend, "edit %s; the guide says how rules are written (Errors)", path);
		mistakes("errors.yaml", VERDICT_WARN, "none of its rules is used", mend, &err);
	}
	json_object_put(rules);
	fnr_error_clear(&err);
}

static void presets(const char *data)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char path[PATH_MAX], shipped[PATH_MAX], mend[MEND_SIZE];
	size_t count;

	snprintf(path, sizeof path, "%.4000s/presets.yaml", data);
	snprintf(shipped, sizeof shipped, "%.4000s/presets.yaml", fnr_share_dir());
	if (access(path, F_OK) != 0)
		return;
	if (registry_check_presets(shipped, path, &count, &err) == FNR_OK) {
		finding("presets.yaml", VERDICT_OK, NULL, NULL, "sound: %zu presets with it", count);
	} else {
		snprintf(mend, sizeof mend, "edit %s; the guide says how presets are changed (Presets)", path);
		mistakes("presets.yaml", VERDICT_WARN, "nothing of it is used: presets stay as they ship", mend, &err);
	}
	fnr_error_clear(&err);
}

/* ---- the store ---- */

struct store_look { int code; char message[512]; int64_t newest; uint64_t bytes; };

static void look(const char *data, struct store_look *look)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = NULL;
	struct store *store;
	struct fnr_id last;

	if (chdir(data) != 0)
		_exit(1);
	look->code = store_open(&store, false, &err);
	if (look->code == FNR_OK && (txn = store_read(store, &err))) {
		last = store_last_job(txn);
		for (int i = 0; i < 6; i++)          /* an id begins with its time */
			look->newest = look->newest << 8 | last.bytes[i];
		store_read_end(txn);
		look->bytes = store_bytes_used(store);
	}
	if (!txn)
		look->code = err.code;
	snprintf(look->message, sizeof look->message, "%s", err.message);
}

/* By a process that may die of a damaged file; false if it did. */
static bool look_apart(const char *data, struct store_look *result)
{
	int ends[2], status = -1;
	ssize_t got;
	pid_t pid;

	memset(result, 0, sizeof *result);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct store_look here = { .code = 0 };

		signal(SIGBUS, SIG_DFL);
		look(data, &here);
		_exit(fnr_write_all(ends[1], &here, sizeof here) ? 0 : 1);
	}
	fnr_fd_close(&ends[1]);
	got = pid > 0 ? read(ends[0], result, sizeof *result) : -1;
	fnr_fd_close(&ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return got == (ssize_t)sizeof *result && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void clock_(int64_t newest)
{
	int64_t ahead = newest - fnr_now_ms();
	char time[FNR_TIME_SIZE];

	fnr_time_format(fnr_now_ms(), time);
	if (ahead > CLOCK_SLACK_MS)
		finding("clock", VERDICT_FAIL, "times of jobs, delays and retention are wrong until it is right", "sudo timedatectl set-ntp true; timedatectl",
		        "%s, which is %.0f s before the newest record", time, (double)ahead / 1000);
	else
		finding("clock", VERDICT_OK, NULL, NULL, "%s%s", time, newest ? ", after the newest record" : "");
}

static void store(const char *data, const struct fnr_conf *conf)
{
	struct store_look result;
	char path[PATH_MAX], mend[MEND_SIZE];

	snprintf(path, sizeof path, "%.4000s/store/data.mdb", data);
	if (access(path, F_OK) != 0) {
		finding("store", VERDICT_OK, NULL, NULL, "none yet: fnr serve makes it");
		clock_(0);
		return;
	}
	snprintf(mend, sizeof mend, "fnr restore BACKUP --data NEWDIR; before that, for details: fnr check --data %s", data);
	if (!look_apart(data, &result)) {
		finding("store", VERDICT_FAIL, "nothing can be started on it", mend, "it cannot be read: its file is shorter than what it should hold, or the disk fails");
		return;
	}
	if (result.code != FNR_OK) {
		finding("store", VERDICT_FAIL, "nothing can be started on it", strstr(result.message, "schema version") ? "install the version of fnr that wrote it, or a newer one" : mend,
		        "%s", result.message);
		return;
	}
	finding("store", result.bytes >= (uint64_t)conf->store_max_bytes ? VERDICT_FAIL : result.bytes >= (uint64_t)conf->store_max_bytes / 10 * 9 ? VERDICT_WARN : VERDICT_OK,
	        "above store.max_bytes new jobs are refused", "delete finished jobs (fnr job delete), or raise store.max_bytes in config.yaml",
	        "%.1f MB of at most %.0f MB; fnr check recounts it", (double)result.bytes / 1e6, (double)conf->store_max_bytes / 1e6);
	clock_(result.newest);
}

void doctor_data(const char *data)
{
	struct fnr_conf conf = { 0 };
	struct stat info;

	if (stat(data, &info) != 0 && errno == ENOENT) {
		finding("data directory", VERDICT_OK, NULL, NULL, "%s is not there yet: fnr serve makes it", data);
		return;
	}
	if (stat(data, &info) != 0 || !S_ISDIR(info.st_mode) || access(data, R_OK | X_OK) != 0) {
		finding("data directory", VERDICT_FAIL, "everything is kept in it", "name another with --data DIR, or look at it as its owner: sudo -u OWNER fnr doctor",
		        "%s cannot be read: %s", data, S_ISDIR(info.st_mode) ? strerror(errno) : "it is no directory");
		return;
	}
	finding("data directory", VERDICT_OK, NULL, NULL, "%s", data);
	owner(data, info.st_uid);
	rights(data, info.st_mode);
	filesystem(data);
	settings(data, &conf);
	error_rules(data);
	presets(data);
	if (conf.store_max_bytes) {
		space(data, &conf);
		store(data, &conf);
	}
}

/* ---- the running system ---- */

static bool lock_is_held(const char *data)
{
	char path[PATH_MAX];
	int fd;
	bool held;

	snprintf(path, sizeof path, "%.4000s/run/serve.lock", data);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
	fnr_fd_close(&fd);
	return held;
}

static void not_ready(struct answer *answer)
{
	struct json_object *checks = fnr_json_get(answer->json, "checks");
	char text[512] = "";

	if (json_object_is_type(checks, json_type_object)) {
		json_object_object_foreach(checks, name, value) {
			const char *said = json_object_get_string(value);

			if (said && strcmp(said, "ok") != 0)
				snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s: %s", *text ? "; " : "", name, said);
		}
	}
	finding("running system", VERDICT_FAIL, "jobs wait, or are refused, until it is ready", "look into its log; fnr serve --log FILE writes one",
	        "answers, but is not ready%s%s", *text ? ": " : "", text);
}

bool doctor_running(const char *data)
{
	bool held = lock_is_held(data), named = shared.client.url || (getenv("FNR_URL") && *getenv("FNR_URL"));
	char path[PATH_MAX], mend[MEND_SIZE];
	struct answer answer;
	bool answers;

	snprintf(path, sizeof path, "%.4000s/run/url", data);
	if (!held && !named && access(path, F_OK) != 0) {
		finding("running system", VERDICT_OK, NULL, NULL, "none runs on this data directory");
		return false;
	}
	answer = client_request(ask_client(), "GET", "/readyz", NULL, NULL);
	snprintf(mend, sizeof mend, held ? "stop it and start it again; its log says what is wrong" : "fnr serve --data %s", data);
	if (answer.status == 200)
		finding("running system", VERDICT_OK, NULL, NULL, "ready at %s", client_url(ask_client()));
	else if (answer.status == 503)
		not_ready(&answer);
	else
		finding("running system", VERDICT_FAIL, held ? "it runs but serves nobody" : "it was killed, or the machine was", mend, "nothing answers at %s",
		        client_url(ask_client()));
	answers = answer.status == 200 || answer.status == 503;
	answer_free(&answer);
	return answers;
}
