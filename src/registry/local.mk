noinst_LIBRARIES += %D%/libregistry.a
%C%_libregistry_a_SOURCES = %D%/loader.c %D%/lookup.c %D%/registry.h %D%/resolve.c %D%/template.c
