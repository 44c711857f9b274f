# Each folder is a template with its files; listed, so that a forgotten one is found by distcheck.
nobase_dist_pkgdata_DATA += \
	templates/create_title_card/create_title_card.yaml \
	templates/create_title_card/title_card.py \
	templates/noop/noop.yaml
