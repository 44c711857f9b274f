dist_pkgdata_DATA += %D%/openapi.yaml
