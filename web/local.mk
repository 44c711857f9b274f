nobase_dist_pkgdata_DATA += web/index.html web/style.css
