# Each folder is a template with its files; listed, so that a forgotten one is found by distcheck.
nobase_dist_pkgdata_DATA += \
	templates/comfyui/comfyui_workflow.yaml \
	templates/comfyui/image_to_image.json \
	templates/comfyui/image_to_image.yaml \
	templates/comfyui/image_to_video.json \
	templates/comfyui/image_to_video.yaml \
	templates/comfyui/text_to_image.json \
	templates/comfyui/text_to_image.yaml \
	templates/comfyui/upscale_image.json \
	templates/comfyui/upscale_image.yaml \
	templates/create_title_card/create_title_card.yaml \
	templates/create_title_card/title_card.py \
	templates/gradio/create_audio.yaml \
	templates/gradio/create_image.yaml \
	templates/media/create_slideshow.py \
	templates/media/create_slideshow.yaml \
	templates/media/create_voice_over.py \
	templates/media/create_voice_over.yaml \
	templates/media/media.py \
	templates/media/transcode.py \
	templates/media/transcode.yaml \
	templates/noop/noop.yaml \
	templates/pictures/apply_style.py \
	templates/pictures/apply_style.yaml \
	templates/pictures/make_contact_sheet.py \
	templates/pictures/make_contact_sheet.yaml \
	templates/pictures/pictures.py \
	templates/pictures/styles.py
