/* fnr upload: files for inputs, sent once and used by many jobs. */
#include "cli/upload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/follow.h"

struct json_object *upload_file(struct client *client, const char *file)
{
	struct json_object *upload = NULL;
	struct answer answer;
	struct stat info;

	if (access(file, R_OK) != 0 || stat(file, &info) != 0) {
		fprintf(stderr, "fnr: cannot read the file %s: %s\n", file, strerror(errno));
		return NULL;
	}
	if (!S_ISREG(info.st_mode)) {
		fprintf(stderr, "fnr: %s is %s; only a regular file can be uploaded\n", file, S_ISDIR(info.st_mode) ? "a folder" : "no regular file");
		return NULL;
	}
	answer = client_upload(client, file, follow_upload, (void *)file);
	if (answer.status == 201)
		upload = json_object_get(answer.json);
	else if (!client_interrupted())
		client_complain(client, &answer);
	answer_free(&answer);
	return upload;
}

static int run(int count, char **operands)
{
	for (int i = 0; i < count; i++) {
		struct json_object *upload = upload_file(ask_client(), operands[i]);

		if (!upload)
			return client_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
		if (shared.json)
			printf("%s\n", fnr_json_text(upload, NULL));
		else
			printf("upload:%s  %s\n", fnr_json_get_text(upload, "id", ""), operands[i]);
		json_object_put(upload);
	}
	return EXIT_DONE;
}

static const struct action actions[] = { { "", "FILE...", 1, -1, "send files; prints what an input of type file takes", run }, ACTIONS_END };

const struct command command_upload = { "upload", "Send files that inputs can name", 1, USES_SERVER | USES_JSON, actions, NULL };
