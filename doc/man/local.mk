# Manual pages and completion are printed by fnr from the tables that it reads itself; *.man is what the tables do not know.
MAN_MADE = \
	%D%/fnr.1 \
	%D%/fnr-batch.1 \
	%D%/fnr-completion.1 \
	%D%/fnr-dead-letter.1 \
	%D%/fnr-job.1 \
	%D%/fnr-key.1 \
	%D%/fnr-link.1 \
	%D%/fnr-preset.1 \
	%D%/fnr-queue.1 \
	%D%/fnr-run.1 \
	%D%/fnr-schema.1 \
	%D%/fnr-take.1 \
	%D%/fnr-template.1 \
	%D%/fnr-upload.1 \
	%D%/fnr-config.yaml.5 \
	%D%/fnr-backend.8 \
	%D%/fnr-backup.8 \
	%D%/fnr-check.8 \
	%D%/fnr-config.8 \
	%D%/fnr-doctor.8 \
	%D%/fnr-nginx-conf.8 \
	%D%/fnr-restore.8 \
	%D%/fnr-serve.8 \
	%D%/fnr-worker.8
MAN_FRAGMENTS = \
	%D%/fnr.man \
	%D%/fnr-batch.man \
	%D%/fnr-completion.man \
	%D%/fnr-dead-letter.man \
	%D%/fnr-job.man \
	%D%/fnr-key.man \
	%D%/fnr-link.man \
	%D%/fnr-preset.man \
	%D%/fnr-queue.man \
	%D%/fnr-run.man \
	%D%/fnr-schema.man \
	%D%/fnr-take.man \
	%D%/fnr-template.man \
	%D%/fnr-upload.man \
	%D%/fnr-config.yaml.man \
	%D%/fnr-backend.man \
	%D%/fnr-backup.man \
	%D%/fnr-check.man \
	%D%/fnr-config.man \
	%D%/fnr-doctor.man \
	%D%/fnr-nginx-conf.man \
	%D%/fnr-restore.man \
	%D%/fnr-serve.man \
	%D%/fnr-worker.man
man_MANS = $(MAN_MADE) %D%/function-runner.7
EXTRA_DIST += $(MAN_FRAGMENTS) %D%/function-runner.7
CLEANFILES += $(MAN_MADE)

$(MAN_MADE): fnr$(EXEEXT) $(MAN_FRAGMENTS)
	$(AM_V_GEN)$(MKDIR_P) %D% && page=`echo $@ | $(SED) 's|.*/||; s|\.[0-9]$$||'` && \
		./fnr$(EXEEXT) help --man $$page $(srcdir)/%D%/$$page.man >$@.tmp && mv $@.tmp $@

bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
nodist_bashcompletion_DATA = %D%/fnr
nodist_zshcompletion_DATA = %D%/_fnr
nodist_fishcompletion_DATA = %D%/fnr.fish
CLEANFILES += %D%/fnr %D%/_fnr %D%/fnr.fish

%D%/fnr: fnr$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) %D% && ./fnr$(EXEEXT) completion bash >$@.tmp && mv $@.tmp $@
%D%/_fnr: fnr$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) %D% && ./fnr$(EXEEXT) completion zsh >$@.tmp && mv $@.tmp $@
%D%/fnr.fish: fnr$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) %D% && ./fnr$(EXEEXT) completion fish >$@.tmp && mv $@.tmp $@
