dist_pkgdata_DATA += %D%/openapi.yaml
dist_doc_DATA += %D%/backends.md %D%/coverage.md %D%/functions.md %D%/guide.md %D%/nginx-public.conf %D%/script-functions.md
