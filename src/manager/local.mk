noinst_LIBRARIES += %D%/libmanager.a
%C%_libmanager_a_SOURCES = %D%/attach.c %D%/backends.c %D%/batches.c %D%/clock.c %D%/commands.c %D%/discards.c %D%/dispatch.c %D%/finish.c %D%/functions.c %D%/functions.h \
	%D%/graphics.c %D%/house.c %D%/loop.c %D%/machine.c %D%/manager.h %D%/moves.c %D%/nodes.c %D%/nvml.c %D%/nvml.h %D%/parents.c %D%/payloads.c %D%/places.c %D%/pool.c %D%/pool.h %D%/probes.c %D%/progress.c %D%/progress.h %D%/queues.c %D%/recover.c \
	%D%/render.c %D%/render.h %D%/reports.c %D%/retention.c %D%/spawner.c %D%/statistics.c %D%/spawner.h %D%/stop.c %D%/tasks.c %D%/thumbnails.c %D%/turn.c %D%/workers.c

pkglibexec_PROGRAMS += fnr-manager
fnr_manager_SOURCES = %D%/manager_main.c
fnr_manager_LDADD = %D%/libmanager.a src/worker/libworker.a src/backends/libbackends.a src/http/libhttp.a \
	src/queue/libqueue.a src/registry/libregistry.a src/files/libfiles.a src/store/libstore.a src/schema/libschema.a \
	src/base/libbase.a $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(SCHEMA_LIBS) $(LMDB_LIBS) $(CURL_LIBS) $(PICTURE_LIBS) $(WSLAY_LIBS) -lm
