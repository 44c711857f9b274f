#include "registry/scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define DEPTH_MOST 4
#define CHAINS 4096
#define UNSURE_NS INT64_C(100000000)    /* times of files move in steps of some milliseconds */
#define WATCHED (IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

/* ---- stamps ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	for (int i = 0; i < 8; i++, value >>= 8)
		hash = (hash ^ (value & 0xff)) * UINT64_C(1099511628211);
	return hash;
}

#define STAMP UINT64_C(14695981039346656037)

static uint64_t stamp_of(uint64_t stamp, const struct stat *info)
{
	stamp = mix(stamp, (uint64_t)info->st_dev);
	stamp = mix(stamp, (uint64_t)info->st_ino);
	stamp = mix(stamp, (uint64_t)info->st_size);
	stamp = mix(stamp, (uint64_t)info->st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)info->st_mtim.tv_nsec);
	return mix(stamp, (uint64_t)info->st_ctim.tv_sec * UINT64_C(1000000000) + (uint64_t)info->st_ctim.tv_nsec);
}

static bool is_fresh(const struct stat *info)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((int64_t)now.tv_sec - info->st_ctim.tv_sec) * INT64_C(1000000000) + now.tv_nsec - info->st_ctim.tv_nsec < UNSURE_NS;
}

static uint64_t files_stamp_of(const char *files)
{
	uint64_t stamp = STAMP;

	for (; files && *files; files += strlen(files) + 1) {
		struct stat info;

		stamp = stat(files, &info) == 0 ? stamp_of(stamp, &info) : mix(stamp, 0);
	}
	return stamp;
}

/* The folders count as well: a module that comes beside a Python file belongs to the template. */
static void add_file(struct fnr_buf *out, const char *name, const struct template_folders *folders)
{
	const char *slash = strrchr(name, '/');

	for (size_t i = 0; i < REGISTRY_PLACES; i++) {
		if (!folders->folders[i])
			continue;
		fnr_buf_printf(out, "%s/%s", folders->folders[i], name);
		fnr_buf_add(out, "", 1);
		fnr_buf_printf(out, "%s/%.*s", folders->folders[i], slash ? (int)(slash - name) : 0, name);
		fnr_buf_add(out, "", 1);
	}
}

void scan_note_files(struct entry *entry, struct json_object *files, const struct template_folders *folders)
{
	struct fnr_buf out = FNR_BUF_INIT;

	if (json_object_is_type(files, json_type_object)) {
		json_object_object_foreach(files, name, sha) {
			(void)sha;
			add_file(&out, name, folders);
		}
	}
	free(entry->files);
	entry->files = out.len ? fnr_buf_take(&out) : NULL;    /* its final 0 is the empty path */
	fnr_buf_free(&out);
	entry->files_stamp = files_stamp_of(entry->files);
}

void scan_note_parents(struct entry *entry, const struct template_draft *draft)
{
	const char *ids[REGISTRY_EXTENDS_MOST];
	size_t count = template_draft_parents(draft, ids);
	struct fnr_buf out = FNR_BUF_INIT;

	for (size_t i = 0; i < count; i++)
		fnr_buf_add(&out, ids[i], strlen(ids[i]) + 1);
	free(entry->parents);
	entry->parents = out.len ? fnr_buf_take(&out) : NULL;
	fnr_buf_free(&out);
}

/* ---- entries ---- */

static struct entry **chain_of(struct scan *scan, const char *source)
{
	uint32_t hash = 2166136261u;

	for (; *source; source++)
		hash = (hash ^ (unsigned char)*source) * 16777619u;
	return &scan->chains[hash % CHAINS];
}

struct entry *scan_find(struct scan *scan, const char *source)
{
	struct entry *entry = *chain_of(scan, source);

	while (entry && strcmp(entry->source, source) != 0)
		entry = entry->next;
	return entry;
}

static void free_entry(struct entry *entry)
{
	free(entry->source);
	free(entry->path);
	free(entry->files);
	free(entry->parents);
	free(entry);
}

static void add_in_order(struct scan *scan, struct entry *entry)
{
	if (scan->count == scan->size) {
		scan->size = scan->size ? scan->size * 2 : 64;
		scan->entries = fnr_realloc(scan->entries, scan->size * sizeof *scan->entries);
	}
	scan->entries[scan->count++] = entry;
	entry->seen = scan->number;
}

static void see_file(struct scan *scan, const char *path, const char *source, const struct stat *info)
{
	struct entry *entry = scan_find(scan, source), **chain;
	uint64_t stamp = stamp_of(STAMP, info);

	if (!entry) {
		entry = fnr_alloc(sizeof *entry);
		entry->source = fnr_strdup(source);
		entry->path = fnr_strdup(path);
		chain = chain_of(scan, source);
		entry->next = *chain;
		*chain = entry;
		entry->changed = true;
	}
	entry->changed |= entry->unsure || entry->stamp != stamp || (entry->files && files_stamp_of(entry->files) != entry->files_stamp);
	entry->stamp = stamp;
	entry->unsure = is_fresh(info);
	entry->hidden = false;
	add_in_order(scan, entry);
}

/* ---- folders ---- */

bool scan_is_json(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && strcasecmp(dot, ".json") == 0;
}

static bool is_template_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (strcasecmp(dot, ".yaml") == 0 || strcasecmp(dot, ".yml") == 0 || strcasecmp(dot, ".json") == 0);
}

static void watch(struct scan *scan, const char *path)
{
	if (scan->watches < 0 || inotify_add_watch(scan->watches, path, WATCHED) >= 0 || errno == ENOENT || errno == ENOTDIR || errno == EACCES)
		return;
	if (!scan->watches_lost)
		fnr_warn(NULL, "%s cannot be watched: %s; changes are looked for every now and then (see fs.inotify.max_user_watches)", path, strerror(errno));
	scan->watches_lost = true;
}

/* What is in force from there stays, as nobody knows what the folder holds. */
static void see_closed(struct scan *scan, const char *source, const char *why)
{
	scan->closed = fnr_realloc(scan->closed, (scan->closed_count + 1) * sizeof *scan->closed);
	scan->closed[scan->closed_count++] = (struct scan_closed){ fnr_strdup(source), fnr_strdup(why) };
}

static bool is_plain(const char *name)
{
	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			return false;
	return fnr_utf8_valid(name, strlen(name));
}

/* What nobody could name in a report or an address. */
static void see_strange(struct scan *scan, char *below)
{
	fnr_text_clean(below);
	see_closed(scan, below, "its name is not plain text in UTF-8; give it another one");
}

static void see_folder(struct scan *scan, const char *folder, const char *source, int depth);

static void see_entry(struct scan *scan, const char *folder, const char *source, const char *name, int depth)
{
	char *path = fnr_asprintf("%s/%s", folder, name), *below = fnr_asprintf("%s/%s", source, name);
	struct stat info, link;

	if (name[0] != '.' && stat(path, &info) == 0) {
		if (!is_plain(name) && (S_ISDIR(info.st_mode) || is_template_name(name)))
			see_strange(scan, below);
		else if (S_ISDIR(info.st_mode) && strcmp(name, "__pycache__") != 0) {
			see_folder(scan, path, below, depth + 1);
		} else if (S_ISREG(info.st_mode) && is_template_name(name)) {
			if (lstat(path, &link) == 0 && S_ISLNK(link.st_mode))
				watch(scan, path);
			see_file(scan, path, below, &info);
		}
	}
	free(path);
	free(below);
}

/* Watched before it is read: what comes in between is an event. */
static void see_folder(struct scan *scan, const char *folder, const char *source, int depth)
{
	struct dirent **entries;
	int count;

	if (depth > DEPTH_MOST) {
		if (scan->number == 1)
			fnr_warn(NULL, "the folder %s is not looked at: it lies more than %d folders deep", folder, DEPTH_MOST);
		return;
	}
	watch(scan, folder);
	count = scandir(folder, &entries, NULL, alphasort);
	/* An operator may do without templates of his own; that none are shipped means that something is wrong. */
	if (count < 0 && (errno != ENOENT || strcmp(source, "shipped") == 0)) {
		char why[160];

		snprintf(why, sizeof why, "the folder cannot be read: %s; make it readable for the owner of the data directory, or install again", strerror(errno));
		see_closed(scan, source, why);
	}
	for (int i = 0; i < count; i++) {
		see_entry(scan, folder, source, entries[i]->d_name, depth);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* Scripts are not read here, but watched, and one stamp tells whether any of them changed. */
static void see_scripts(struct scan *scan, const char *folder, int depth)
{
	struct dirent **entries;
	int count;

	watch(scan, folder);
	count = depth > DEPTH_MOST ? -1 : scandir(folder, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char *path = fnr_asprintf("%s/%s", folder, entries[i]->d_name);
		struct stat info;

		if (entries[i]->d_name[0] != '.' && stat(path, &info) == 0) {
			if (S_ISDIR(info.st_mode))
				see_scripts(scan, path, depth + 1);
			else
				scan->scripts_stamp = stamp_of(scan->scripts_stamp, &info);
			scan->scripts_fresh |= is_fresh(&info);
		}
		free(path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

uint64_t scan_scripts_stamp(const char *folder)
{
	struct scan scan = { .watches = -1, .scripts_stamp = STAMP };

	see_scripts(&scan, folder, 1);
	return scan.scripts_fresh ? 0 : scan.scripts_stamp;
}

/* A root that is replaced as a whole, or comes later, shows in the folder that it lies in. */
static void watch_parent(struct scan *scan, const char *folder)
{
	const char *slash = strrchr(folder, '/');
	char *parent = slash ? fnr_asprintf("%.*s", slash > folder ? (int)(slash - folder) : 1, folder) : fnr_strdup(".");

	if (scan->watches >= 0)
		inotify_add_watch(scan->watches, parent, IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE | IN_MASK_ADD);
	free(parent);
}

/* ---- the whole ---- */

bool scan_is_closed(const struct scan *scan, const char *source)
{
	for (size_t i = 0; i < scan->closed_count; i++) {
		size_t len = strlen(scan->closed[i].source);

		if (strncmp(scan->closed[i].source, source, len) == 0 && source[len] == '/')
			return true;
	}
	return false;
}

static void forget_closed(struct scan *scan)
{
	for (size_t i = 0; i < scan->closed_count; i++) {
		free(scan->closed[i].source);
		free(scan->closed[i].why);
	}
	scan->closed_count = 0;
}

static void take_gone(struct scan *scan)
{
	for (size_t i = 0; i < CHAINS; i++) {
		struct entry **at = &scan->chains[i], *entry;

		while ((entry = *at)) {
			if (entry->seen == scan->number) {
				at = &entry->next;
			} else if (scan_is_closed(scan, entry->source)) {
				entry->hidden = true;
				at = &entry->next;
			} else {
				*at = entry->next;
				entry->next = scan->gone;
				scan->gone = entry;
			}
		}
	}
}

void scan_look(struct scan *scan)
{
	static const char *const roots[] = { "shipped", "data" };

	scan->number++;
	scan->count = 0;
	forget_closed(scan);
	for (size_t i = 0; i < scan->folder_count; i++) {
		watch_parent(scan, scan->folders[i]);
		see_folder(scan, scan->folders[i], roots[i], 1);
	}
	scan->scripts_stamp = STAMP;
	see_scripts(scan, SCAN_SCRIPTS, 1);
	watch(scan, SCAN_RULES);
	take_gone(scan);
}

void scan_forget_gone(struct scan *scan)
{
	struct entry *entry;

	while ((entry = scan->gone)) {
		scan->gone = entry->next;
		free_entry(entry);
	}
}

void scan_open(struct scan *scan, const char *const *folders, size_t folder_count, bool watching)
{
	memset(scan, 0, sizeof *scan);
	scan->folders = folders;
	scan->folder_count = folder_count;
	scan->chains = fnr_alloc(CHAINS * sizeof *scan->chains);
	scan->watches = watching ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
	if (watching && scan->watches < 0) {
		fnr_warn(NULL, "folders cannot be watched: %s; changes are looked for every now and then", strerror(errno));
		scan->watches_lost = true;
	}
}

void scan_close(struct scan *scan)
{
	for (size_t i = 0; i < CHAINS; i++) {
		struct entry *entry;

		while ((entry = scan->chains[i])) {
			scan->chains[i] = entry->next;
			free_entry(entry);
		}
	}
	scan_forget_gone(scan);
	forget_closed(scan);
	free(scan->closed);
	free(scan->entries);
	free(scan->chains);
	if (scan->watches >= 0)
		close(scan->watches);
}
