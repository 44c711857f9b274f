# files of this folder
if HAVE_CRITERION
include %D%/unit/local.mk
endif
include %D%/fixtures/local.mk
include %D%/fuzz/local.mk
include %D%/perf/local.mk

# The tests of the whole system: ./test of a release runs them as well. The whole folder, as nothing of it is compiled.
EXTRA_DIST += %D%/integration
