noinst_LIBRARIES += %D%/libschema.a
%C%_libschema_a_SOURCES =
