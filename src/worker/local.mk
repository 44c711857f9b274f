noinst_LIBRARIES += %D%/libworker.a
%C%_libworker_a_SOURCES = %D%/begun.c %D%/begun.h %D%/collect.c %D%/endpoint.c %D%/hook.c %D%/inputs.c %D%/preview.c %D%/preview.h %D%/run.c %D%/thumbnail.c %D%/wire.c %D%/wire.h %D%/worker.c %D%/worker.h
