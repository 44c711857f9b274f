bin_PROGRAMS += fnr
fnr_SOURCES = %D%/check.c %D%/cli.h %D%/client.c %D%/client.h %D%/data.c %D%/data.h %D%/fnr_main.c %D%/follow.c %D%/follow.h %D%/job.c %D%/link.c %D%/nginx_conf.c %D%/nginx_conf.h \
	%D%/options.c \
	%D%/run.c %D%/serve.c
fnr_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)
fnr_LDADD = src/store/libstore.a src/base/libbase.a $(CURL_LIBS) $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(LMDB_LIBS)
