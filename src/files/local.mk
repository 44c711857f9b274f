noinst_LIBRARIES += %D%/libfiles.a
%C%_libfiles_a_SOURCES = %D%/media.c %D%/media.h %D%/path.c %D%/path.h %D%/picture.c %D%/take.c %D%/take.h
