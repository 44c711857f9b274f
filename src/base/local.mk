noinst_LIBRARIES += %D%/libbase.a
%C%_libbase_a_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(YAML_CFLAGS) $(CRYPTO_CFLAGS)
%C%_libbase_a_SOURCES = \
	%D%/base64.c %D%/base64.h \
	%D%/buf.c %D%/buf.h \
	%D%/clock.c %D%/clock.h \
	%D%/conf.c %D%/conf.h \
	%D%/err.c %D%/err.h \
	%D%/fault.c %D%/fault.h \
	%D%/fs.c %D%/fs.h \
	%D%/hash.c %D%/hash.h \
	%D%/heap.c %D%/heap.h \
	%D%/id.c %D%/id.h \
	%D%/json.c %D%/json.h \
	%D%/json_pack.c %D%/json_pack.h \
	%D%/log.c %D%/log.h \
	%D%/marks.c %D%/marks.h %D%/marks_json.c %D%/marks_json.h \
	%D%/mem.c %D%/mem.h \
	%D%/notify.c %D%/notify.h \
	%D%/pack.c %D%/pack.h \
	%D%/proc.c %D%/proc.h \
	%D%/queues.c %D%/queues.h \
	%D%/seccomp.h \
	%D%/sock.c %D%/sock.h \
	%D%/text.c %D%/text.h \
	%D%/vocab.c %D%/vocab.h \
	%D%/yaml.c %D%/yaml.h %D%/yaml_problem.c %D%/yaml_problem.h %D%/yaml_text.c
