nobase_dist_pkgdata_DATA += %D%/nginx.conf.in
