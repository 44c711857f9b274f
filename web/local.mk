# The page: ES modules as they are, without a build step.
nobase_dist_pkgdata_DATA += \
	web/api.js \
	web/app.js \
	web/batch.js \
	web/dom.js \
	web/elements.js \
	web/fields.js \
	web/file-field.js \
	web/form.js \
	web/function.js \
	web/icon.svg \
	web/icons.svg \
	web/index.html \
	web/job.js \
	web/jobs.js \
	web/library.js \
	web/outputs.js \
	web/recent.js \
	web/sign-in.js \
	web/stream-source.js \
	web/stream-worker.js \
	web/stream.js \
	web/style.css \
	web/templates.js
