#include "config.h"

#include "cli/data.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"

static void make_folders(void)
{
	static const char *const folders[] = {
		"store", "journal", "run/nginx", "uploads/incoming", "blobs/payload", "blobs/templates", "workspace/.jobs", "workspace/.work",
		"templates", "scripts", "rules", "thumbnails",
	};
	struct fnr_error err = FNR_ERROR_INIT;

	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
		if (fnr_dir_make(folders[i], 0700, &err) != FNR_OK)
			fnr_die("%s", err.message);
}

static const char *owner_name(uid_t uid)
{
	const struct passwd *entry = getpwuid(uid);

	return entry ? entry->pw_name : "another user";
}

void data_enter(const char *path, char absolute[PATH_MAX])
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct stat info;

	if (fnr_dir_make(path, 0700, &err) != FNR_OK)
		fnr_die("%s; name another data directory with --data DIR", err.message);
	if (chdir(path) != 0 || !getcwd(absolute, PATH_MAX))
		fnr_die("cannot use the data directory %s: %s", path, strerror(errno));
	if (stat(".", &info) == 0 && info.st_uid != geteuid())
		fnr_die("the data directory %s belongs to %s; run as that user: files of another would be in its way", absolute, owner_name(info.st_uid));
	if (strpbrk(absolute, "\"$\\\n"))
		fnr_die("the path of the data directory may not contain any of \" $ \\: %s", absolute);
	make_folders();
}

void data_conf(const char *absolute, const char *program, struct fnr_conf *conf)
{
	struct fnr_error err = FNR_ERROR_INIT;
	int level;

	if (fnr_conf_load(conf, "config.yaml", &err) != FNR_OK) {
		for (size_t i = 0; err.errors && i < json_object_array_length(err.errors); i++) {
			struct json_object *entry = json_object_array_get_idx(err.errors, i);

			fprintf(stderr, "fnr: config.yaml: %s: %s\n", fnr_json_get_text(entry, "pointer", ""), fnr_json_get_text(entry, "message", ""));
		}
		fnr_die("the configuration in %s/config.yaml is not valid: %s", absolute, err.message);
	}
	level = fnr_log_level_parse(conf->log_level);
	fnr_log_init(program, level < 0 ? FNR_LOG_INFO : (enum fnr_log_level)level);
}
