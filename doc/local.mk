dist_pkgdata_DATA += %D%/openapi.yaml
dist_doc_DATA += %D%/coverage.md %D%/script-functions.md
