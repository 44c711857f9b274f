/* Every handler, by file. Each serves one row of the table in src/api/routes.c. */
#ifndef FNR_HANDLERS_HANDLERS_H
#define FNR_HANDLERS_HANDLERS_H

#include "api/request.h"

/* jobs.c */
handler jobs_submit, jobs_list, jobs_show, jobs_view;
/* job.c */
handler job_cancel, job_change, job_delete, job_result, job_output, job_thumbnail, job_preview, job_log, job_attempts;
/* cancel.c */
handler jobs_cancel;
/* retry.c */
handler job_retry;
/* batches.c */
handler batches_submit, batches_show, batches_cancel;
/* templates.c */
handler templates_list, templates_show, templates_versions, templates_schema, templates_resources, templates_validate_inputs;
/* template_versions.c */
handler templates_create, templates_version, templates_put, templates_delete, templates_deprecate;
/* template_validate.c */
handler templates_validate, templates_template_schema, templates_rules;
/* presets.c */
handler presets_list, presets_show, presets_versions, presets_create, presets_replace, presets_delete, presets_export, presets_import;
/* comparisons.c */
handler comparisons_submit, comparisons_show;
/* preset_use.c */
handler presets_resolve, presets_compare, presets_recommend;
/* dead_letters.c */
handler dead_letters_list, dead_letters_replay, dead_letters_replay_all, dead_letters_discard;
/* queues.c; queues_purge is in cancel.c */
handler queues_list, queues_show, queues_change, queues_pause, queues_resume, queues_purge;
/* route.c */
handler route_preview;
/* backends.c */
handler backends_list, backends_show, backends_probe, backends_reset_breaker;
/* backend_change.c */
handler backends_create, backends_change, backends_delete, backends_drain, backends_resume;
/* models.c */
handler models_list;
/* workers.c */
handler workers_list, workers_show, workers_drain, workers_restart, workers_stop, workers_scale;
/* statistics.c */
handler statistics_runs, statistics_errors;
/* takes.c */
handler projects_list, projects_change, takes_list, takes_show, takes_file, takes_thumbnail, takes_choose, takes_delete, takes_export;
/* keys.c */
handler keys_list, keys_create, keys_delete;
/* sessions.c */
handler sessions_create, sessions_show, sessions_delete;
/* tickets.c */
handler tickets_create;
/* uploads.c */
handler uploads_check, uploads_elsewhere;
/* health.c */
handler health_live, health_ready;
/* about.c */
handler about_openapi, about_streams;

#endif
