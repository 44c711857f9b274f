/* What the handlers of templates share. */
#ifndef FNR_HANDLERS_TEMPLATES_H
#define FNR_HANDLERS_TEMPLATES_H

#include "api/request.h"
#include "registry/registry.h"

/* Its definition without what is only for running it, and with its deprecation; an object to put. */
struct json_object *templates_shown(struct request *req, const struct template_ *template_);

/* Deprecation (RFC 9745), Sunset (RFC 8594) and Link of a version that is deprecated: for every answer to who uses it. True if it is. */
bool templates_set_deprecation(struct request *req, const struct template_ *template_);

/* Sets ETag; true if the request has it in If-None-Match: then 304 is the answer. */
bool templates_not_modified(struct request *req, const char *etag);
/* Is this entity tag in the list of If-Match? "*" is any. loosely: of If-None-Match, where W/ does not count. */
bool templates_lists_tag(const char *list, const char *tag, bool loosely);

/* GET /templates?state=broken: files and others that could not be loaded, with all that is wrong. */
int templates_broken(struct request *req, size_t limit);

/* Where files and parents of a template are that comes by the API: fills *stored, which *places then refers to. */
void templates_places(struct request *req, struct template_stored *stored, struct template_places *places);

/* The body as a draft; NULL with the problem if it is too large. */
struct template_draft *templates_draft(struct request *req);

#endif
