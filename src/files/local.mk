noinst_LIBRARIES += %D%/libfiles.a
%C%_libfiles_a_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(PICTURE_CFLAGS)
%C%_libfiles_a_SOURCES = %D%/certificates.c %D%/certificates.h %D%/fetch.c %D%/fetch.h %D%/media.c %D%/media.h %D%/models.c %D%/models.h %D%/path.c %D%/path.h %D%/picture.c %D%/shrink.c %D%/shrink.h %D%/take.c %D%/take.h %D%/tar.c %D%/tar.h %D%/thumbnail.c %D%/thumbnail.h
