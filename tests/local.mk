# files of this folder
if HAVE_CRITERION
include %D%/unit/local.mk
endif
include %D%/fixtures/local.mk
include %D%/fuzz/local.mk
include %D%/perf/local.mk
