EXTRA_DIST += \
	%D%/typescript/README.md %D%/typescript/build.mjs %D%/typescript/package.json %D%/typescript/package-lock.json \
	%D%/typescript/tsconfig.json %D%/typescript/tsconfig.test.json \
	%D%/typescript/examples/batch.mjs %D%/typescript/examples/follow.mjs %D%/typescript/examples/page.html \
	%D%/typescript/src/client.ts %D%/typescript/src/elements.ts %D%/typescript/src/errors.ts %D%/typescript/src/handle.ts \
	%D%/typescript/src/http.ts %D%/typescript/src/index.ts %D%/typescript/src/job.ts %D%/typescript/src/limits.ts \
	%D%/typescript/src/offline.ts %D%/typescript/src/stream.ts %D%/typescript/src/transfer.ts %D%/typescript/src/types.ts \
	%D%/typescript/test/http.test.ts %D%/typescript/test/offline.test.ts %D%/typescript/test/server.ts \
	%D%/typescript/test/stream.test.ts %D%/typescript/test/transfer.test.ts %D%/typescript/test/types.test.ts

# A release carries the client as it is built, so that those who only use it need no npm. One that was carried here is handed on.
dist-hook:
	set -e; here=$(srcdir)/clients/typescript there=$(distdir)/clients/typescript; \
	if [ -f $$here/dist/index.js ] && \
	    [ -z "$$(find $$here/src $$here/build.mjs $$here/package-lock.json $(srcdir)/doc/openapi.yaml -newer $$here/dist/index.js)" ]; then \
		cp -R -p $$here/dist $$there; \
	elif command -v npm >/dev/null; then \
		(cd $$there && npm ci --silent --no-audit --no-fund --prefer-offline && npm run -s build); \
		rm -rf $$there/node_modules $$there/src/api.ts; \
	else \
		echo "there is no npm here: the release carries the client's sources, but not clients/typescript/dist" >&2; \
	fi
