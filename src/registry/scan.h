/* The template files there are: which came, changed or went since the last look, and watches on their folders. Internal to
 * the registry. */
#ifndef FNR_REGISTRY_SCAN_H
#define FNR_REGISTRY_SCAN_H

#include "registry/internal.h"

#define SCAN_SCRIPTS "scripts"
#define SCAN_RULES "rules"

enum entry_state { ENTRY_NEW, ENTRY_GOOD, ENTRY_BROKEN, ENTRY_DATA };

/* One file. What it holds is known from the last time it was read. */
struct entry {
	char *source, *path;           /* "data/x/x.yaml", "templates/x/x.yaml" */
	enum entry_state state;
	bool changed;                  /* the file, or one that it names: to be read */
	bool unsure;                   /* it was read so soon after a change that the next may not show in its times */
	bool hidden;                   /* below a folder that cannot be read: nobody knows about it */
	uint64_t stamp, files_stamp;   /* of the file; of those that it names */
	char *files;                   /* their paths, each ended by 0, the last one empty; NULL: none */
	char *parents;                 /* ids of what it extends, in the same form; NULL: it extends nothing */
	char id[68];
	struct store_version version;
	unsigned seen;                 /* number of the look that saw it last */
	struct entry *next, *next_id;  /* in its chain by source; by id and version, if it is good */
};

struct scan_closed { char *source; char *why; };

struct scan {
	const char *const *folders;
	size_t folder_count;
	int watches;                   /* inotify; -1: none */
	bool watches_lost;             /* not every folder could be watched */
	uint64_t scripts_stamp;        /* of all files in scripts/ */
	bool scripts_fresh;            /* some changed so short ago that another change may not show */
	unsigned number;
	struct entry **entries;        /* in order of their sources, folders first */
	size_t count, size;
	struct entry *gone;            /* of the last look; free with scan_forget_gone */
	struct scan_closed *closed;    /* what could not be looked at: folders, names */
	size_t closed_count;
	struct entry **chains;         /* by source */
};

void scan_open(struct scan *scan, const char *const *folders, size_t folder_count, bool watch);
void scan_close(struct scan *scan);

struct entry *scan_find(struct scan *scan, const char *source);
bool scan_is_closed(const struct scan *scan, const char *source);   /* it lies below a folder that could not be read */

/* One look at everything. Entries that are new or have changed are marked; those that are not there any more are in gone. */
void scan_look(struct scan *scan);
void scan_forget_gone(struct scan *scan);

/* After an entry was read: remembers the times of the files that it names, looked for in the folders. */
void scan_note_files(struct entry *entry, struct json_object *files, const struct template_folders *folders);
void scan_note_parents(struct entry *entry, const struct template_draft *draft);

bool scan_is_json(const char *path);

/* Of the scripts, without a scan; 0: they changed just now, so that the next change may not show. */
uint64_t scan_scripts_stamp(const char *folder);

#endif
