# Benchmarks: built with the rest, run by hand.
noinst_PROGRAMS += %D%/bench_store
%C%_bench_store_SOURCES = %D%/bench_store.c
%C%_bench_store_LDADD = src/store/libstore.a src/base/libbase.a $(LMDB_LIBS) $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS)

noinst_PROGRAMS += %D%/load
%C%_load_SOURCES = %D%/load.c
%C%_load_LDADD = src/base/libbase.a $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS)
