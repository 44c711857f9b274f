/* Takes on the disk: workspace/<project>/<shot>/take_NNN/, made whole or not at all. */
#ifndef FNR_FILES_TAKE_H
#define FNR_FILES_TAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

#define TAKE_PATH 256

/* "workspace/<project>/<shot>/take_003", and for jobs without project "workspace/.jobs/<id>" (project empty). */
void take_final_dir(char out[TAKE_PATH], const char *project, const char *shot, uint32_t take, const struct fnr_id *job);
void take_attempt_dir(char out[TAKE_PATH], const char *project, const char *shot, const struct fnr_id *job, int attempt);
void take_work_dir(char out[TAKE_PATH], const struct fnr_id *job, int attempt);

/* Is path one that the two functions above can give for some job: below workspace, with valid names, nothing else? What
 * comes over a wire is checked by these before it is made or removed. */
bool take_attempt_valid(const char *path);
bool take_work_valid(const char *path);

/* Makes the folder new and empty (what was there is removed), with its parents; each folder that is made is flushed
 * into its parent. No symlink is followed. For paths for which one of the two above is true. */
int take_dir_make(const char *path, struct fnr_error *err);

/* What is in the folder where the attempt worked are its results: renames it to attempt_dir, as take_dir_make would have made that. To
 * be flushed, by the caller: what is in it, itself, and its parent. */
int take_adopt(const char *work, const char *attempt_dir, struct fnr_error *err);

/* Removes the folder, if it is there. For the same paths; FNR_E_INVALID for any other. take_discard: also that of a take. */
int take_dir_remove(const char *path, struct fnr_error *err);
int take_discard(const char *path, struct fnr_error *err);

/* Moves the outputs of a job without project (workspace/.jobs/<id>) durably to where its attempts worked, for
 * take_dir_remove; path_r says where. FNR_E_NOT_FOUND if there are none. */
int take_set_aside(const struct fnr_id *job, char path_r[TAKE_PATH], struct fnr_error *err);

#define TAKE_MARK ".job"
/* Writes this into the folder of an attempt: whose it is; take_finish does it where that is missing. To be flushed: *fd_r, which
 * the caller closes, and the folder. */
int take_mark(int dir, const char *job, int attempt, int *fd_r, struct fnr_error *err);

/* The outputs of a job without project need no number, so nothing has to be written down before they get their name: renames
 * the marked folder of the attempt to final_dir (workspace/.jobs/<job>) in parent, which is open and for the caller to flush. What
 * an earlier attempt of the job, an earlier try of this one, or a power cut has left there is replaced; what a later attempt has,
 * is not. */
int take_settle(int parent, const char *attempt_dir, const char *final_dir, const char *job, int attempt, struct fnr_error *err);

/* The highest N of a folder take_N (any number of digits) of the shot; 0 if there is none. */
uint32_t take_highest(const char *project, const char *shot);

/* Step 2 of finishing, see worker/wire.h. take (may be NULL) is written as take.json; `job attempt` as .job, so that a
 * repetition is recognised. Codes: OK (also when done before), FNR_E_EXISTS (another take has that name: give a new
 * number), FNR_E_NOT_FOUND (the attempt's folder is gone), FNR_E_IO, FNR_E_FULL. */
int take_finish(const char *attempt_dir, const char *final_dir, const char *job, int attempt, struct json_object *take,
                struct fnr_error *err);

#endif
