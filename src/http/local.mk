noinst_LIBRARIES += %D%/libhttp.a
%C%_libhttp_a_SOURCES = %D%/access.c %D%/access.h %D%/problem.c %D%/problem.h %D%/ticket.c %D%/ticket.h %D%/view.c %D%/view.h
