noinst_LIBRARIES += %D%/libevents.a
%C%_libevents_a_SOURCES = \
	%D%/backlog.c %D%/backlog.h \
	%D%/filter.c %D%/filter.h \
	%D%/give.c \
	%D%/hub.c %D%/hub.h %D%/hub_internal.h \
	%D%/look.c %D%/look.h \
	%D%/message.c %D%/message.h \
	%D%/serve.c %D%/serve.h \
	%D%/stream.h \
	%D%/topics.c %D%/topics.h \
	%D%/viewer.c %D%/viewer.h
%C%_libevents_a_CFLAGS = $(AM_CFLAGS) $(MHD_CFLAGS)

pkglibexec_PROGRAMS += fnr-events
fnr_events_SOURCES = %D%/events_main.c
fnr_events_LDADD = %D%/libevents.a src/http/libhttp.a src/queue/libqueue.a src/registry/libregistry.a src/files/libfiles.a \
	src/store/libstore.a src/schema/libschema.a src/base/libbase.a \
	$(MHD_LIBS) $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(SCHEMA_LIBS) $(LMDB_LIBS)
