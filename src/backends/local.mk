noinst_LIBRARIES += %D%/libbackends.a
%C%_libbackends_a_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)
%C%_libbackends_a_SOURCES = %D%/backend.c %D%/backend.h %D%/http.c %D%/http.h %D%/kinds.c %D%/kinds.h \
	%D%/names.c %D%/names.h %D%/noop.c %D%/sandbox.c %D%/sandbox.h \
	%D%/script.c %D%/script.h %D%/script_lines.c %D%/script_request.c %D%/tree.c %D%/tree.h \
	%D%/trust.c %D%/trust.h %D%/websocket.c %D%/websocket.h

# what all that speak HTTP have of Server-Sent Events, and Gradio

%C%_libbackends_a_SOURCES += %D%/gradio.c %D%/gradio_app.c %D%/gradio_app.h %D%/gradio_draft.c %D%/gradio_draft.h %D%/gradio_job.c %D%/gradio_job.h \
	%D%/gradio_partial.c %D%/gradio_partial.h %D%/gradio_request.c %D%/gradio_request.h %D%/gradio_result.c %D%/gradio_result.h \
	%D%/gradio_server.c %D%/gradio_server.h %D%/input_file.c %D%/input_file.h %D%/sse.c %D%/sse.h

# ComfyUI

%C%_libbackends_a_SOURCES += %D%/comfyui.c %D%/comfyui.h %D%/comfyui_cancel.c %D%/comfyui_draft.c %D%/comfyui_draft.h %D%/comfyui_errors.c %D%/comfyui_events.c \
	%D%/comfyui_memory.c %D%/comfyui_nodes.c %D%/comfyui_outputs.c %D%/comfyui_probe.c %D%/comfyui_progress.c %D%/comfyui_request.c %D%/comfyui_socket.c %D%/comfyui_state.c
