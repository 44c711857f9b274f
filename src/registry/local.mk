noinst_LIBRARIES += %D%/libregistry.a
%C%_libregistry_a_SOURCES =
