noinst_LIBRARIES += %D%/libschema.a
%C%_libschema_a_SOURCES = %D%/inputs.c %D%/inputs.h
%C%_libschema_a_CPPFLAGS = $(AM_CPPFLAGS) $(PCRE2_CFLAGS)
