/* The whole API, one row a method and path. It and doc/openapi.yaml are held together by a test. */
#include "handlers/handlers.h"

#define R FNR_SCOPE_READ
#define S FNR_SCOPE_SUBMIT
#define A FNR_SCOPE_ADMIN
#define NONE FNR_SCOPE_NONE

const struct route routes[] = {
	{ "POST", "/api/v1/jobs", S, ROUTE_BODY, jobs_submit },
	{ "GET", "/api/v1/jobs", R, 0, jobs_list },
	{ "GET", "/api/v1/jobs/{id}", R, 0, jobs_show },
	{ "DELETE", "/api/v1/jobs/{id}", S, 0, job_delete },
	{ "POST", "/api/v1/jobs/cancel", S, ROUTE_BODY, jobs_cancel },
	{ "POST", "/api/v1/jobs/{id}/cancel", S, 0, job_cancel },
	{ "POST", "/api/v1/jobs/{id}/retry", S, ROUTE_BODY | ROUTE_BODY_OPTIONAL, job_retry },
	{ "GET", "/api/v1/jobs/{id}/result", R, ROUTE_TICKET, job_result },
	{ "GET", "/api/v1/jobs/{id}/outputs/{name}", R, ROUTE_TICKET, job_output },
	{ "GET", "/api/v1/jobs/{id}/preview", R, ROUTE_TICKET, job_preview },
	{ "GET", "/api/v1/jobs/{id}/log", R, ROUTE_TICKET, job_log },
	{ "GET", "/api/v1/jobs/{id}/attempts", R, 0, job_attempts },
	{ "GET", "/api/v1/jobs/{id}/events", R, ROUTE_TICKET, about_streams },
	{ "POST", "/api/v1/batches", S, ROUTE_BODY, batches_submit },
	{ "GET", "/api/v1/batches/{id}", R, 0, batches_show },
	{ "POST", "/api/v1/batches/{id}/cancel", S, 0, batches_cancel },
	{ "GET", "/api/v1/batches/{id}/events", R, ROUTE_TICKET, about_streams },
	{ "POST", "/api/v1/uploads", S, 0, uploads_elsewhere },
	{ "GET", "/api/v1/templates", R, 0, templates_list },
	{ "GET", "/api/v1/templates/{id}", R, 0, templates_show },
	{ "GET", "/api/v1/templates/{id}/versions", R, 0, templates_versions },
	{ "GET", "/api/v1/templates/{id}/versions/{version}", R, 0, templates_version },
	{ "GET", "/api/v1/templates/{id}/schema", R, 0, templates_schema },
	{ "POST", "/api/v1/templates/{id}/validate-inputs", R, ROUTE_BODY, templates_validate_inputs },
	{ "GET", "/api/v1/presets", R, 0, presets_list },
	{ "GET", "/api/v1/presets/{id}", R, 0, presets_show },
	{ "GET", "/api/v1/projects", R, 0, projects_list },
	{ "GET", "/api/v1/projects/{project}/shots/{shot}/takes", R, 0, takes_list },
	{ "GET", "/api/v1/projects/{project}/shots/{shot}/takes/{take}", R, 0, takes_show },
	{ "GET", "/api/v1/projects/{project}/shots/{shot}/takes/{take}/files/{name}", R, ROUTE_TICKET, takes_file },
	{ "GET", "/api/v1/keys", A, 0, keys_list },
	{ "POST", "/api/v1/keys", A, ROUTE_BODY, keys_create },
	{ "DELETE", "/api/v1/keys/{id}", A, 0, keys_delete },
	{ "POST", "/api/v1/sessions", NONE, ROUTE_BODY | ROUTE_BODY_OPTIONAL, sessions_create },
	{ "GET", "/api/v1/sessions", R, 0, sessions_show },
	{ "DELETE", "/api/v1/sessions", R, 0, sessions_delete },
	{ "POST", "/api/v1/tickets", R, ROUTE_BODY, tickets_create },
	{ "GET", "/api/v1/events", R, ROUTE_TICKET, about_streams },
	{ "GET", "/api/v1/openapi.json", R, 0, about_openapi },
	{ "GET", "/healthz", NONE, ROUTE_NO_STORE, health_live },
	{ "GET", "/readyz", NONE, 0, health_ready },
	{ "GET", "/internal/view/{id}", R, ROUTE_INTERNAL, jobs_view },
	{ "GET", "/internal/upload-check", S, ROUTE_INTERNAL, uploads_check },
	{ 0 },
};
