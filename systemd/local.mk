# Units with the paths of this installation in them; below the prefix, so that staged and private installations work too.
systemdunitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d

SYSTEMD_UNITS = %D%/function-runner.service %D%/fnr-manager.service %D%/fnr-api.service %D%/fnr-events.service %D%/fnr-nginx.service
nodist_systemdunit_DATA = $(SYSTEMD_UNITS)
dist_systemdunit_DATA = %D%/function-runner.target
EXTRA_DIST += $(SYSTEMD_UNITS:=.in) %D%/sysusers.conf %D%/tmpfiles.conf
CLEANFILES += $(SYSTEMD_UNITS)

$(SYSTEMD_UNITS): Makefile $(SYSTEMD_UNITS:=.in)
	$(AM_V_GEN)$(MKDIR_P) %D% && $(SED) -e 's|@bindir[@]|$(bindir)|g' -e 's|@pkglibexecdir[@]|$(pkglibexecdir)|g' \
		-e 's|@NGINX[@]|$(NGINX)|g' $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

install-data-hook:
	$(MKDIR_P) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir)
	$(INSTALL_DATA) $(srcdir)/%D%/sysusers.conf $(DESTDIR)$(sysusersdir)/function-runner.conf
	$(INSTALL_DATA) $(srcdir)/%D%/tmpfiles.conf $(DESTDIR)$(tmpfilesdir)/function-runner.conf

uninstall-hook:
	rm -f $(DESTDIR)$(sysusersdir)/function-runner.conf $(DESTDIR)$(tmpfilesdir)/function-runner.conf
