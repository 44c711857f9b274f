# files of this folder
bridgedir = $(pkgdatadir)/bridge
dist_bridge_DATA = %D%/bridge/fnr_bridge.py %D%/bridge/fnr_thumbnail.py
dist_pkgdata_DATA += %D%/errors.yaml %D%/presets.yaml %D%/template-rules.yaml %D%/template.schema.json
