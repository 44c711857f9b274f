noinst_LIBRARIES += %D%/libschema.a
%C%_libschema_a_SOURCES = \
	%D%/compile.c \
	%D%/dialect.c \
	%D%/ecma.c %D%/ecma.h \
	%D%/form.c \
	%D%/format.c \
	%D%/inputs.c %D%/inputs.h %D%/internal.h \
	%D%/keywords.c \
	%D%/link.c \
	%D%/loop.c \
	%D%/map.c %D%/map.h \
	%D%/message.c \
	%D%/metaschema.c \
	%D%/number.c %D%/number.h \
	%D%/pattern.c %D%/pattern.h \
	%D%/program.h \
	%D%/report.c \
	%D%/resource.c \
	%D%/schema.h \
	%D%/uri.c %D%/uri.h \
	%D%/validate.c \
	%D%/value.c %D%/value.h
%C%_libschema_a_CPPFLAGS = $(AM_CPPFLAGS) $(PCRE2_CFLAGS)
