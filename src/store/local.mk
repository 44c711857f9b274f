noinst_LIBRARIES += %D%/libstore.a
%C%_libstore_a_SOURCES = \
	%D%/backend.c \
	%D%/backup.c \
	%D%/batch.c \
	%D%/check.c %D%/check_shape.c \
	%D%/command.c \
	%D%/dead.c %D%/dedupe.c %D%/discard.c \
	%D%/env.c %D%/env.h \
	%D%/estimate.c \
	%D%/idempotency.c \
	%D%/internal.h \
	%D%/job.c \
	%D%/journal.c %D%/journal.h %D%/journal_internal.h \
	%D%/journal_open.c \
	%D%/lane.c \
	%D%/names.c \
	%D%/ops.c %D%/ops.h %D%/ops_template.c \
	%D%/parents.c %D%/payload.c %D%/preset.c %D%/project.c \
	%D%/queue.c \
	%D%/removal.c \
	%D%/session.c \
	%D%/statistics.c \
	%D%/store.c %D%/store.h \
	%D%/take.c %D%/take_use.c \
	%D%/template.c \
	%D%/thumbnail.c \
	%D%/upgrade.c \
	%D%/upload.c %D%/waiting.c
