#include "files/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t certificates_in(FILE *file)
{
	X509 *certificate;
	size_t count = 0;

	while ((certificate = PEM_read_X509(file, NULL, NULL, NULL))) {
		X509_free(certificate);
		count++;
	}
	ERR_clear_error();
	return count;
}

int certificates_check(const char *path, struct fnr_error *err)
{
	struct stat info;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);     /* of a FIFO nobody waits for the other end */
	FILE *file;
	size_t count;

	if (fd < 0 && errno == ENOENT)
		return fnr_fail(err, FNR_E_NOT_FOUND, "there is no file %s", path);
	if (fd < 0)
		return fnr_fail_errno(err, errno, "cannot read %s", path);
	file = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? fdopen(fd, "r") : NULL;
	count = file ? certificates_in(file) : 0;
	if (file)
		fclose(file);
	else
		close(fd);
	return count ? FNR_OK : fnr_fail(err, FNR_E_INVALID, "%s holds no certificate in PEM", path);
}
