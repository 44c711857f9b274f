# Criterion tests, one program a file (one for all of base). UNIT_BASE is what all of them need.
UNIT_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
UNIT_BASE = src/base/libbase.a $(JSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(CRITERION_LIBS)

check_PROGRAMS += %D%/test_base
%C%_test_base_SOURCES = \
	%D%/test_base64.c \
	%D%/test_clock.c \
	%D%/test_conf.c \
	%D%/test_err.c \
	%D%/test_fault.c \
	%D%/test_fs.c \
	%D%/test_hash.c \
	%D%/test_heap.c \
	%D%/test_id.c \
	%D%/test_json.c \
	%D%/test_json_pack.c \
	%D%/test_log.c \
	%D%/test_mem.c \
	%D%/test_pack.c \
	%D%/test_proc.c \
	%D%/test_sock.c \
	%D%/test_text.c \
	%D%/test_vocab.c \
	%D%/test_yaml.c
%C%_test_base_CFLAGS = $(UNIT_CFLAGS)
%C%_test_base_LDADD = $(UNIT_BASE)
TESTS += %D%/test_base

check_PROGRAMS += %D%/test_files
%C%_test_files_SOURCES = %D%/test_files.c
%C%_test_files_CFLAGS = $(UNIT_CFLAGS)
%C%_test_files_LDADD = src/files/libfiles.a $(UNIT_BASE) $(CURL_LIBS)
TESTS += %D%/test_files

check_PROGRAMS += %D%/test_shrink
%C%_test_shrink_SOURCES = %D%/test_shrink.c
%C%_test_shrink_CFLAGS = $(UNIT_CFLAGS) $(PICTURE_CFLAGS)
%C%_test_shrink_LDADD = src/files/libfiles.a $(UNIT_BASE) $(PICTURE_LIBS)
TESTS += %D%/test_shrink

check_PROGRAMS += %D%/test_preview
%C%_test_preview_SOURCES = %D%/test_preview.c
%C%_test_preview_CFLAGS = $(UNIT_CFLAGS)
%C%_test_preview_LDADD = src/worker/libworker.a src/files/libfiles.a $(UNIT_BASE)
TESTS += %D%/test_preview

check_PROGRAMS += %D%/test_wire
%C%_test_wire_SOURCES = %D%/test_wire.c
%C%_test_wire_CFLAGS = $(UNIT_CFLAGS)
%C%_test_wire_LDADD = src/worker/libworker.a $(UNIT_BASE)
TESTS += %D%/test_wire

check_PROGRAMS += %D%/test_begun
%C%_test_begun_SOURCES = %D%/test_begun.c
%C%_test_begun_CFLAGS = $(UNIT_CFLAGS)
%C%_test_begun_LDADD = src/worker/libworker.a $(UNIT_BASE)
TESTS += %D%/test_begun

check_PROGRAMS += %D%/test_script
%C%_test_script_SOURCES = %D%/test_script.c
%C%_test_script_CPPFLAGS = $(AM_CPPFLAGS) -DFNR_FIXTURES=\"$(abs_top_srcdir)/tests/fixtures\" \
	-DFNR_SOURCE_SHARE=\"$(abs_top_srcdir)/share\"
%C%_test_script_CFLAGS = $(UNIT_CFLAGS)
%C%_test_script_LDADD = src/worker/libworker.a src/backends/libbackends.a src/registry/libregistry.a src/files/libfiles.a src/store/libstore.a \
	src/schema/libschema.a $(UNIT_BASE) $(SCHEMA_LIBS) $(CURL_LIBS) $(PICTURE_LIBS) $(WSLAY_LIBS) $(LMDB_LIBS) -lm
TESTS += %D%/test_script

check_PROGRAMS += %D%/test_http_client
%C%_test_http_client_SOURCES = %D%/test_http_client.c %D%/run_fake.c %D%/run_fake.h
%C%_test_http_client_CFLAGS = $(UNIT_CFLAGS)
%C%_test_http_client_LDADD = src/backends/libbackends.a src/files/libfiles.a $(UNIT_BASE) $(CURL_LIBS) $(MHD_LIBS) -lm
TESTS += %D%/test_http_client

check_PROGRAMS += %D%/test_sse
%C%_test_sse_SOURCES = %D%/test_sse.c
%C%_test_sse_CFLAGS = $(UNIT_CFLAGS)
%C%_test_sse_LDADD = src/backends/libbackends.a $(UNIT_BASE)
TESTS += %D%/test_sse

check_PROGRAMS += %D%/test_gradio
%C%_test_gradio_SOURCES = %D%/test_gradio.c %D%/run_fake.c %D%/run_fake.h
%C%_test_gradio_CFLAGS = $(UNIT_CFLAGS)
%C%_test_gradio_LDADD = src/backends/libbackends.a src/registry/libregistry.a src/files/libfiles.a src/store/libstore.a \
	src/schema/libschema.a $(UNIT_BASE) $(SCHEMA_LIBS) $(CURL_LIBS) $(LMDB_LIBS) -lm
TESTS += %D%/test_gradio

check_PROGRAMS += %D%/test_websocket
%C%_test_websocket_SOURCES = %D%/test_websocket.c %D%/run_fake.c %D%/run_fake.h
%C%_test_websocket_CFLAGS = $(UNIT_CFLAGS)
%C%_test_websocket_LDADD = src/backends/libbackends.a src/files/libfiles.a $(UNIT_BASE) $(CURL_LIBS) $(WSLAY_LIBS) -lm
TESTS += %D%/test_websocket

check_PROGRAMS += %D%/test_bindings
%C%_test_bindings_SOURCES = %D%/test_bindings.c
%C%_test_bindings_CFLAGS = $(UNIT_CFLAGS)
%C%_test_bindings_LDADD = src/registry/libregistry.a src/files/libfiles.a src/store/libstore.a src/schema/libschema.a $(UNIT_BASE) \
	$(SCHEMA_LIBS) $(LMDB_LIBS) -lm
TESTS += %D%/test_bindings

check_PROGRAMS += %D%/test_http
%C%_test_http_SOURCES = %D%/test_http.c
%C%_test_http_CFLAGS = $(UNIT_CFLAGS)
%C%_test_http_LDADD = src/http/libhttp.a src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
TESTS += %D%/test_http

check_PROGRAMS += %D%/test_stream
%C%_test_stream_SOURCES = %D%/test_stream.c
%C%_test_stream_CFLAGS = $(UNIT_CFLAGS)
%C%_test_stream_LDADD = src/events/libevents.a src/http/libhttp.a src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
TESTS += %D%/test_stream

check_PROGRAMS += %D%/test_events
%C%_test_events_SOURCES = %D%/test_events.c
%C%_test_events_CPPFLAGS = $(AM_CPPFLAGS) -DFNR_EVENTS_PROGRAM=\"$(abs_top_builddir)/fnr-events\"
%C%_test_events_CFLAGS = $(UNIT_CFLAGS)
%C%_test_events_LDADD = src/http/libhttp.a src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
EXTRA_%C%_test_events_DEPENDENCIES = fnr-events$(EXEEXT)
TESTS += %D%/test_events

check_PROGRAMS += %D%/test_store %D%/test_ops %D%/test_journal
%C%_test_store_SOURCES = %D%/test_store.c %D%/store_fixture.h
%C%_test_store_CFLAGS = $(UNIT_CFLAGS)
%C%_test_store_LDADD = src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
%C%_test_ops_SOURCES = %D%/test_ops.c %D%/store_fixture.h
%C%_test_ops_CFLAGS = $(UNIT_CFLAGS)
%C%_test_ops_LDADD = src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
%C%_test_journal_SOURCES = %D%/test_journal.c %D%/store_fixture.h
%C%_test_journal_CFLAGS = $(UNIT_CFLAGS)
%C%_test_journal_LDADD = src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
TESTS += %D%/test_store %D%/test_ops %D%/test_journal

# The store against a model of it, and after power cuts; test_power catches the calls of liblmdb.
check_PROGRAMS += %D%/test_model %D%/test_power
%C%_test_model_SOURCES = %D%/test_model.c %D%/store_fixture.h %D%/store_model.h
%C%_test_model_CFLAGS = $(UNIT_CFLAGS)
%C%_test_model_LDADD = src/store/libstore.a src/queue/libqueue.a $(UNIT_BASE) $(LMDB_LIBS)
%C%_test_power_SOURCES = %D%/test_power.c %D%/store_fixture.h %D%/store_model.h
%C%_test_power_CFLAGS = $(UNIT_CFLAGS)
%C%_test_power_LDADD = src/store/libstore.a src/queue/libqueue.a $(UNIT_BASE) $(LMDB_LIBS)
TESTS += %D%/test_model %D%/test_power

check_PROGRAMS += %D%/test_upgrade
%C%_test_upgrade_SOURCES = %D%/test_upgrade.c %D%/store_fixture.h
%C%_test_upgrade_CFLAGS = $(UNIT_CFLAGS)
%C%_test_upgrade_LDADD = src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
TESTS += %D%/test_upgrade

check_PROGRAMS += %D%/test_queue
%C%_test_queue_SOURCES = %D%/test_breaker.c %D%/test_choice.c %D%/test_figures.c %D%/test_estimate.c %D%/test_lanes.c %D%/test_limits.c %D%/test_retry.c %D%/test_state.c
%C%_test_queue_CFLAGS = $(UNIT_CFLAGS)
%C%_test_queue_LDADD = src/queue/libqueue.a $(UNIT_BASE)
TESTS += %D%/test_queue

check_PROGRAMS += %D%/test_registry
%C%_test_registry_SOURCES = %D%/test_errors.c %D%/test_nodes.c %D%/test_registry.c
%C%_test_registry_CPPFLAGS = $(AM_CPPFLAGS) -DFNR_SOURCE=\"$(abs_top_srcdir)\"
%C%_test_registry_CFLAGS = $(UNIT_CFLAGS)
%C%_test_registry_LDADD = src/registry/libregistry.a src/files/libfiles.a src/store/libstore.a src/schema/libschema.a $(UNIT_BASE) $(SCHEMA_LIBS) $(LMDB_LIBS) -lm
TESTS += %D%/test_registry

check_PROGRAMS += %D%/test_inputs
%C%_test_inputs_SOURCES = %D%/test_inputs.c
%C%_test_inputs_CFLAGS = $(UNIT_CFLAGS)
%C%_test_inputs_LDADD = src/schema/libschema.a $(UNIT_BASE) $(SCHEMA_LIBS)
TESTS += %D%/test_inputs

check_PROGRAMS += %D%/test_schema
%C%_test_schema_SOURCES = %D%/test_schema.c
%C%_test_schema_CFLAGS = $(UNIT_CFLAGS)
%C%_test_schema_LDADD = src/schema/libschema.a $(UNIT_BASE) $(SCHEMA_LIBS)
TESTS += %D%/test_schema

check_PROGRAMS += %D%/test_schema_suite
%C%_test_schema_suite_SOURCES = %D%/test_schema_suite.c
%C%_test_schema_suite_CFLAGS = $(UNIT_CFLAGS)
%C%_test_schema_suite_LDADD = src/schema/libschema.a $(UNIT_BASE) $(SCHEMA_LIBS)
TESTS += %D%/test_schema_suite

check_PROGRAMS += %D%/test_progress
%C%_test_progress_SOURCES = %D%/test_progress.c
%C%_test_progress_CFLAGS = $(UNIT_CFLAGS)
%C%_test_progress_LDADD = src/manager/libmanager.a src/queue/libqueue.a $(UNIT_BASE) -lm
TESTS += %D%/test_progress

check_PROGRAMS += %D%/test_manager
%C%_test_manager_SOURCES = %D%/test_manager.c %D%/manager_fixture.h
%C%_test_manager_CPPFLAGS = $(AM_CPPFLAGS) -DFNR_MANAGER_PROGRAM=\"$(abs_top_builddir)/fnr-manager\"
%C%_test_manager_CFLAGS = $(UNIT_CFLAGS)
%C%_test_manager_LDADD = src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
EXTRA_%C%_test_manager_DEPENDENCIES = fnr-manager$(EXEEXT)
TESTS += %D%/test_manager

# The pool of servers: fnr-manager with a kind of backend whose servers are folders.
check_PROGRAMS += %D%/test_damage
%C%_test_damage_SOURCES = %D%/test_damage.c %D%/manager_fixture.h
%C%_test_damage_CPPFLAGS = $(AM_CPPFLAGS) -DFNR_MANAGER_PROGRAM=\"$(abs_top_builddir)/fnr-manager\"
%C%_test_damage_CFLAGS = $(UNIT_CFLAGS) $(LMDB_CFLAGS)
%C%_test_damage_LDADD = src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
EXTRA_%C%_test_damage_DEPENDENCIES = fnr-manager$(EXEEXT)
TESTS += %D%/test_damage

check_PROGRAMS += %D%/test_pool %D%/folder_manager
%C%_folder_manager_SOURCES = %D%/folder_kind.c src/manager/manager_main.c
%C%_folder_manager_LDADD = $(fnr_manager_LDADD)
%C%_test_pool_SOURCES = %D%/test_pool.c %D%/manager_fixture.h
%C%_test_pool_CPPFLAGS = $(AM_CPPFLAGS) -DFNR_MANAGER_PROGRAM=\"$(abs_top_builddir)/%D%/folder_manager\"
%C%_test_pool_CFLAGS = $(UNIT_CFLAGS)
%C%_test_pool_LDADD = src/store/libstore.a $(UNIT_BASE) $(LMDB_LIBS)
EXTRA_%C%_test_pool_DEPENDENCIES = %D%/folder_manager$(EXEEXT)
TESTS += %D%/test_pool

# The skeleton of fnr-api, with tables of routes of its own.
UNIT_API = src/api/libapi.a src/http/libhttp.a src/registry/libregistry.a src/files/libfiles.a src/store/libstore.a \
	src/schema/libschema.a $(UNIT_BASE) $(FCGI_LIBS) $(SCHEMA_LIBS) $(LMDB_LIBS)

check_PROGRAMS += %D%/test_slots
%C%_test_slots_SOURCES = %D%/test_slots.c
%C%_test_slots_CFLAGS = $(UNIT_CFLAGS)
%C%_test_slots_LDADD = $(UNIT_API)
TESTS += %D%/test_slots

check_PROGRAMS += %D%/test_meter
%C%_test_meter_SOURCES = %D%/test_meter.c
%C%_test_meter_CFLAGS = $(UNIT_CFLAGS)
%C%_test_meter_LDADD = src/api/libapi.a $(UNIT_BASE)
TESTS += %D%/test_meter

check_PROGRAMS += %D%/test_memo
%C%_test_memo_SOURCES = %D%/test_memo.c
%C%_test_memo_CFLAGS = $(UNIT_CFLAGS)
%C%_test_memo_LDADD = src/api/libapi.a $(UNIT_BASE)
TESTS += %D%/test_memo

check_PROGRAMS += %D%/test_request
%C%_test_request_SOURCES = %D%/test_request.c
%C%_test_request_CFLAGS = $(UNIT_CFLAGS)
%C%_test_request_LDADD = $(UNIT_API)
TESTS += %D%/test_request
