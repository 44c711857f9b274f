noinst_LIBRARIES += %D%/libqueue.a
%C%_libqueue_a_SOURCES = %D%/breaker.c %D%/breaker.h %D%/choice.c %D%/choice.h %D%/estimate.c %D%/estimate.h %D%/figures.c %D%/figures.h %D%/lanes.c %D%/lanes.h %D%/limits.c %D%/limits.h %D%/retry.c %D%/retry.h %D%/state.c %D%/state.h
%C%_libqueue_a_SOURCES += %D%/forecast.c %D%/forecast.h
