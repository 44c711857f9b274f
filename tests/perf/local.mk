# Benchmarks: built with the rest, run by hand.
noinst_PROGRAMS += %D%/bench_store
%C%_bench_store_SOURCES = %D%/bench_store.c
%C%_bench_store_LDADD = src/store/libstore.a src/base/libbase.a $(LMDB_LIBS) $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS)

noinst_PROGRAMS += %D%/load
%C%_load_SOURCES = %D%/load.c
%C%_load_LDADD = src/base/libbase.a $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS)

noinst_PROGRAMS += %D%/bench_dispatch
%C%_bench_dispatch_SOURCES = %D%/bench_dispatch.c
%C%_bench_dispatch_LDADD = src/queue/libqueue.a src/store/libstore.a src/base/libbase.a $(LMDB_LIBS) $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS)

noinst_PROGRAMS += %D%/bench_templates
%C%_bench_templates_SOURCES = %D%/bench_templates.c
%C%_bench_templates_LDADD = src/registry/libregistry.a src/files/libfiles.a src/store/libstore.a src/schema/libschema.a src/base/libbase.a \
	$(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(SCHEMA_LIBS) $(LMDB_LIBS) -lm

noinst_PROGRAMS += %D%/bench_schema
%C%_bench_schema_SOURCES = %D%/bench_schema.c
%C%_bench_schema_LDADD = src/schema/libschema.a src/base/libbase.a $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(SCHEMA_LIBS)
EXTRA_DIST += %D%/bench_schema.mjs %D%/schema_cases.json %D%/ajv/package.json %D%/ajv/package-lock.json

noinst_PROGRAMS += %D%/bench_presets
%C%_bench_presets_SOURCES = %D%/bench_presets.c
%C%_bench_presets_LDADD = src/registry/libregistry.a src/files/libfiles.a src/store/libstore.a src/schema/libschema.a src/base/libbase.a \
	$(LMDB_LIBS) $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(SCHEMA_LIBS) -lm

noinst_PROGRAMS += %D%/bench_shrink
%C%_bench_shrink_SOURCES = %D%/bench_shrink.c
%C%_bench_shrink_CPPFLAGS = $(AM_CPPFLAGS) $(PICTURE_CFLAGS)
%C%_bench_shrink_LDADD = src/worker/libworker.a src/files/libfiles.a src/base/libbase.a $(PICTURE_LIBS) $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS)

# Preloaded by the benchmark; no library of the project, so made without libtool.
EXTRA_DIST += %D%/slow_flush.c
CLEANFILES += %D%/slow_flush.so
%D%/slow_flush.so: %D%/slow_flush.c
	$(AM_V_CC)$(CC) $(CFLAGS) -shared -fPIC -o $@ $< -ldl
