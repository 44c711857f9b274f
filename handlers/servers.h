/* Servers that jobs run on, as the store has them and as the manager said last how they are. */
#ifndef FNR_HANDLERS_SERVERS_H
#define FNR_HANDLERS_SERVERS_H

#include "api/request.h"

/* Where a job of a template may run. best: the id of one that is free, or else of one that may get jobs; "" if there is none. */
struct servers_fit {
	bool local;                /* on this machine */
	size_t allowed, usable, free;
	char best[68];
};

/* models: as template_models gives them; NULL: they are not looked at. */
void servers_find(struct request *req, struct json_object *definition, struct json_object *models, struct servers_fit *fit_r);

/* Adds to the hash what servers_find says of any template without models, but for which of them are free. */
struct fnr_sha256;
void servers_hash(struct request *req, struct fnr_sha256 *sha);

/* Adds a problem for each model that is on none of the places where the job may run, as far as these say what they have. */
void servers_check_models(struct request *req, struct json_object *definition, struct json_object *models, const char *prefix);

/* The same for node classes (template_nodes). workflow: that has them, NULL if it is not at hand. */
void servers_check_nodes(struct request *req, struct json_object *definition, struct json_object *nodes, struct json_object *workflow, const char *prefix);

/* The record of a backend, parsed, to put; NULL if it cannot be read. */
struct json_object *servers_record(const struct store_backend *backend);

/* What the manager told of a backend last (http/view.h), to put; NULL if that was of one before it with the same id, or of another
 * address: then nothing else that was told by that id holds either. */
struct json_object *servers_live(struct request *req, const char *id, struct json_object *record);
bool servers_told(struct request *req, const char *id, struct json_object *record);

int servers_reply(struct request *req, int status, const char *id);   /* the backend as it is stored now, with its ETag (backends.c) */

#endif
