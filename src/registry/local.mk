noinst_LIBRARIES += %D%/libregistry.a
%C%_libregistry_a_SOURCES = %D%/custom.c %D%/draft.c %D%/errors.c %D%/errors.h %D%/files.c %D%/input_schema.c %D%/gradio.c %D%/identity.c %D%/internal.h %D%/load_api.c %D%/load_parents.c %D%/load_presets.c %D%/loader.c %D%/loading.h %D%/lookup.c %D%/parameters.c %D%/preset.h %D%/presets.c %D%/python.c %D%/registry.h %D%/report.c %D%/report_html.c %D%/resolve.c \
	%D%/rules.c %D%/scan.c %D%/scan.h %D%/search.c %D%/shape.c %D%/variant.c %D%/template.c

# bindings of backends on servers, and ComfyUI's workflows
%C%_libregistry_a_SOURCES += %D%/bindings.c %D%/bindings.h %D%/comfyui.c %D%/expression.c %D%/expression.h \
	%D%/nodes.c %D%/nodes.h %D%/workflow.c %D%/workflow.h
