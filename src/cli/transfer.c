/* Files to and from the server. */
#include "cli/client_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/text.h"

/* ---- up ---- */

struct upload { FILE *file; curl_off_t size; void (*progress)(double, void *); void *context; };

static int upload_progress(void *context, curl_off_t total_down, curl_off_t down, curl_off_t total_up, curl_off_t up)
{
	struct upload *upload = context;

	(void)total_down, (void)down, (void)total_up;
	if (upload->progress && upload->size > 0)
		upload->progress((double)up / (double)upload->size, upload->context);
	return client_interrupted();
}

/* The name as a header can carry it. */
static char *file_header(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *line = fnr_asprintf("X-Filename: %.200s", slash ? slash + 1 : file);

	fnr_text_clean(line);
	return line;
}

struct answer client_upload(struct client *client, const char *file, void (*progress)(double, void *), void *context)
{
	struct upload upload = { .progress = progress, .context = context };
	char *name = file_header(file);
	const char *const headers[] = { name, "Content-Type: application/octet-stream", NULL };
	struct curl_slist *list = client_headers(client, headers, NULL);
	struct fnr_buf text = FNR_BUF_INIT;
	struct answer answer = { 0, NULL };
	struct stat info;

	upload.file = fopen(file, "rbe");
	if (upload.file && fstat(fileno(upload.file), &info) == 0) {
		upload.size = info.st_size;
		client_prepare(client, "/api/v1/uploads", list);
		curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, upload.size);
		curl_easy_setopt(client->curl, CURLOPT_READDATA, upload.file);
		curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, client_collect);
		curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &text);
		curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, upload_progress);
		curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, &upload);
		curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, 0L);
		answer = client_finish(client, client_perform(client, NULL), &text);
	}
	if (upload.file)
		fclose(upload.file);
	curl_slist_free_all(list);
	free(name);
	return answer;
}

/* ---- down ---- */

struct download { struct client *client; FILE *file; struct fnr_buf problem; };

/* What is not the file itself is a problem document, and kept apart from it. */
static size_t take_piece(char *data, size_t size, size_t count, void *context)
{
	struct download *download = context;
	long status = 0;

	curl_easy_getinfo(download->client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return client_collect(data, size, count, &download->problem);
	return fwrite(data, size, count, download->file) * size;
}

struct answer client_download(struct client *client, const char *path, FILE *file)
{
	struct download download = { .client = client, .file = file };
	struct curl_slist *list = client_headers(client, NULL, NULL);
	struct answer answer;
	CURLcode result;

	client_prepare(client, path, list);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_piece);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &download);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, 60L);
	result = client_perform(client, NULL);
	if (result == CURLE_WRITE_ERROR)
		fprintf(stderr, "fnr: the file cannot be written: %s\n", strerror(errno));
	answer = client_finish(client, result, &download.problem);
	curl_slist_free_all(list);
	return answer;
}
