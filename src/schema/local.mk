noinst_LIBRARIES += %D%/libschema.a
%C%_libschema_a_SOURCES = \
	%D%/compile.c \
	%D%/dialect.c \
	%D%/ecma.c %D%/ecma.h \
	%D%/effort.c %D%/effort.h \
	%D%/form.c \
	%D%/format.c \
	%D%/frame.c %D%/frame.h \
	%D%/host.c %D%/host.h \
	%D%/inputs.c %D%/inputs.h %D%/internal.h \
	%D%/keywords.c \
	%D%/leaf.c %D%/leaf.h \
	%D%/link.c \
	%D%/loop.c \
	%D%/map.c %D%/map.h \
	%D%/message.c \
	%D%/metaschema.c \
	%D%/number.c %D%/number.h \
	%D%/pattern.c %D%/pattern.h \
	%D%/plain.c %D%/plain.h \
	%D%/program.h \
	%D%/report.c \
	%D%/resource.c \
	%D%/run.h \
	%D%/schema.h \
	%D%/shape.c %D%/shape.h \
	%D%/uri.c %D%/uri.h \
	%D%/validate.c \
	%D%/value.c %D%/value.h \
	%D%/word.h
%C%_libschema_a_CPPFLAGS = $(AM_CPPFLAGS) $(PCRE2_CFLAGS) $(IDN2_CFLAGS)
%C%_libschema_a_CFLAGS = $(AM_CFLAGS) $(NO_PLT_CFLAGS)
