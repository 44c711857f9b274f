bin_PROGRAMS += fnr
fnr_SOURCES = %D%/check.c %D%/cli.h %D%/main.c %D%/serve.c
fnr_LDADD = src/store/libstore.a src/base/libbase.a $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(LMDB_LIBS)
