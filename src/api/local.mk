noinst_LIBRARIES += %D%/libapi.a
%C%_libapi_a_SOURCES = \
	%D%/body.c \
	%D%/committer.c %D%/committer.h \
	%D%/content.c %D%/content.h \
	%D%/loader.c %D%/loader.h \
	%D%/master.c %D%/master.h \
	%D%/memo.c %D%/memo.h \
	%D%/meter.c %D%/meter.h \
	%D%/multipart.c %D%/multipart.h \
	%D%/reply.c \
	%D%/request.c %D%/request.h \
	%D%/route.c %D%/route.h \
	%D%/serve.c %D%/serve.h %D%/serving.h \
	%D%/slots.c %D%/slots.h \
	%D%/upload.c %D%/upload.h

# The table of routes names the handlers, which call the skeleton: it stands with the program, not in the library.
pkglibexec_PROGRAMS += fnr-api
fnr_api_SOURCES = %D%/main.c %D%/routes.c
fnr_api_LDADD = handlers/libhandlers.a %D%/libapi.a src/backends/libbackends.a src/http/libhttp.a src/queue/libqueue.a src/registry/libregistry.a src/files/libfiles.a \
	src/store/libstore.a src/schema/libschema.a src/base/libbase.a \
	$(FCGI_LIBS) $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(SCHEMA_LIBS) $(LMDB_LIBS)
