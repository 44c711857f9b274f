bin_PROGRAMS += fnr
fnr_SOURCES = \
	%D%/archive.c %D%/archive.h \
	%D%/ask.c %D%/ask.h \
	%D%/backend.c %D%/backup.c \
	%D%/batch.c \
	%D%/check.c %D%/check.h \
	%D%/cli.h \
	%D%/client.c %D%/client.h %D%/client_internal.h \
	%D%/completion.c \
	%D%/config.c \
	%D%/data.c %D%/dead_letter.c %D%/data.h \
	%D%/doctor.c %D%/doctor.h \
	%D%/doctor_backends.c \
	%D%/doctor_data.c \
	%D%/doctor_system.c \
	%D%/download.c %D%/download.h \
	%D%/fnr_main.c \
	%D%/follow.c %D%/follow.h \
	%D%/import.h %D%/import_comfyui.c %D%/import_gradio.c \
	%D%/job.c \
	%D%/key.c \
	%D%/link.c \
	%D%/manifest.c \
	%D%/manual.c %D%/manual.h \
	%D%/nginx_conf.c %D%/nginx_conf.h \
	%D%/options.c \
	%D%/preset.c %D%/queue.c \
	%D%/restore.c \
	%D%/run.c \
	%D%/schema.c \
	%D%/serve.c \
	%D%/snapshot.c %D%/snapshot.h \
	%D%/stream.c \
	%D%/take.c \
	%D%/template.c %D%/template.h %D%/template_check.c %D%/template_diff.c %D%/template_new.c \
	%D%/transfer.c \
	%D%/upload.c \
	%D%/worker.c %D%/upload.h
fnr_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)
fnr_LDADD = src/backends/libbackends.a src/worker/libworker.a src/backends/libbackends.a src/registry/libregistry.a src/files/libfiles.a src/store/libstore.a src/schema/libschema.a src/base/libbase.a \
	$(CURL_LIBS) $(PICTURE_LIBS) $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(SCHEMA_LIBS) $(LMDB_LIBS) $(WSLAY_LIBS) -lm
