noinst_LIBRARIES += %D%/libhandlers.a
%C%_libhandlers_a_SOURCES = %D%/about.c %D%/backend_change.c %D%/backends.c %D%/batches.c %D%/brought.c %D%/brought.h %D%/cancel.c %D%/chain.c %D%/chain.h %D%/common.c %D%/common.h %D%/dead_letters.c %D%/dedupe.c %D%/dedupe.h \
	%D%/handlers.h %D%/health.c %D%/job.c \
	%D%/jobs.c %D%/keys.c %D%/models.c %D%/presets.c %D%/queues.c %D%/retry.c %D%/retry.h %D%/route.c %D%/servers.c %D%/servers.h %D%/sessions.c %D%/statistics.c %D%/submission.c %D%/submission.h %D%/takes.c %D%/templates.c \
	%D%/tickets.c %D%/uploads.c %D%/workers.c
%C%_libhandlers_a_SOURCES += %D%/comparisons.c %D%/forecast.c %D%/forecast.h %D%/preset_use.c %D%/presets.h
%C%_libhandlers_a_SOURCES += %D%/template_validate.c %D%/template_versions.c %D%/templates.h
