noinst_LIBRARIES += %D%/libschema.a
%C%_libschema_a_SOURCES = %D%/form.c %D%/inputs.c %D%/inputs.h %D%/internal.h %D%/pattern.c %D%/pattern.h
%C%_libschema_a_CPPFLAGS = $(AM_CPPFLAGS) $(PCRE2_CFLAGS)
