/* What the server says of itself. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/yaml.h"
#include "handlers/common.h"
#include "handlers/handlers.h"

#define DOCUMENT_MOST (4u << 20)

/* The document is written in YAML; it is turned into JSON once in the life of a handler process. */
static struct json_object *read_document(struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *document = NULL;
	char path[4096];

	snprintf(path, sizeof path, "%s/openapi.yaml", fnr_share_dir());
	if (fnr_file_read(path, DOCUMENT_MOST, &text, err) == FNR_OK)
		document = fnr_yaml_parse(text.data, text.len, path, err);
	fnr_buf_free(&text);
	return document;
}

int about_openapi(struct request *req)
{
	static struct json_object *document;

	if (!document)
		document = read_document(&req->err);
	return document ? reply_json(req, 200, json_object_get(document)) : req->err.code;
}

/* nginx sends streams to fnr-events; whoever comes here came past it, or asks for what cannot be an id. */
int about_streams(struct request *req)
{
	struct fnr_id id;

	if (req->args[0] && request_id_arg(req, 0, "job or batch", &id) != FNR_OK)
		return req->err.code;
	return fnr_fail(&req->err, FNR_E_UNAVAILABLE, "event streams are served by fnr-events: the web server in front is not set up for them "
	                "(see nginx.conf of this installation)");
}
