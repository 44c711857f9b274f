# Fuzz targets, built and run by `make fuzz` only: they need clang, whatever CC is. Each runs FUZZ_SECONDS over its corpus and
# what it finds on the way.
FUZZ_CC = clang
FUZZ_SECONDS = 60
FUZZ_TARGETS = json schema value expression gradio
FUZZ_CFLAGS = -O1 -g -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FUZZ_CODE = $(srcdir)/src/schema/*.c $(srcdir)/src/base/*.c $(srcdir)/src/registry/expression.c
FUZZ_CODE += $(srcdir)/src/backends/sse.c $(srcdir)/src/backends/gradio_app.c $(srcdir)/src/backends/gradio_job.c \
	$(srcdir)/src/backends/gradio_partial.c $(srcdir)/src/backends/backend.c $(srcdir)/tests/unit/run_fake.c
FUZZ_LINK = $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(SCHEMA_LIBS) -lm

fuzz:
	@for name in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/$$name && echo "== $$name" && \
		$(FUZZ_CC) $(FUZZ_CFLAGS) $(DEFS) -I. -I$(srcdir)/tests $(AM_CPPFLAGS) -o fuzz/fuzz_$$name $(srcdir)/%D%/fuzz_$$name.c \
			$(FUZZ_CODE) $(FUZZ_LINK) && \
		fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -timeout=25 -rss_limit_mb=2048 -max_len=4096 -verbosity=0 -print_final_stats=1 \
			-artifact_prefix=fuzz/$$name- fuzz/$$name $(srcdir)/%D%/corpus/$$name || exit 1; \
	done

clean-local:
	rm -rf fuzz

.PHONY: fuzz
EXTRA_DIST += %D%/fuzz.h %D%/fuzz_expression.c %D%/fuzz_gradio.c %D%/fuzz_json.c %D%/fuzz_schema.c %D%/fuzz_value.c \
	%D%/corpus/expression/calls %D%/corpus/expression/sizes %D%/corpus/expression/texts %D%/corpus/gradio/ends %D%/corpus/gradio/events \
	%D%/corpus/gradio/messages %D%/corpus/json/all \
	%D%/corpus/json/foreign %D%/corpus/schema/formats %D%/corpus/schema/items %D%/corpus/schema/members \
	%D%/corpus/schema/meta %D%/corpus/schema/references %D%/corpus/schema/texts %D%/corpus/schema/unevaluated %D%/corpus/schema/unchecked %D%/corpus/schema/any \
	%D%/corpus/value/formats %D%/corpus/value/items %D%/corpus/value/members %D%/corpus/value/meta \
	%D%/corpus/value/references %D%/corpus/value/texts %D%/corpus/value/unevaluated
