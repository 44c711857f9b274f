/* Previews are made smaller apart: with a decoder of ours (in place of files/shrink.c) that does the worst it can. */
#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "files/shrink.h"
#include "worker/preview.h"

#define SIDE 512
#define BEGIN 40             /* bytes of what looks like a PNG; the letter behind them says what the decoder does */

static int pair[2];          /* a socket as it leads to the manager */

static int attempts(void)
{
	int worked = 0;

	worked += open("/etc/passwd", O_RDONLY) >= 0;
	worked += write(pair[0], "x", 1) == 1;
	worked += kill(getppid(), 0) == 0;
	worked += fork() >= 0;
	worked += socket(AF_INET, SOCK_STREAM, 0) >= 0;
	return worked;
}

bool shrink(const void *data, size_t len, int side, struct fnr_buf *out)
{
	if (len <= BEGIN || side != SIDE)      /* in a child: it must not assert */
		return false;
	switch (((const char *)data)[BEGIN]) {
	case 'a':
		abort();
	case 'h':
		for (volatile unsigned i = 0;; i++)
			;
	case 'n':
		return false;
	case 't':
		fnr_buf_printf(out, "%d worked", attempts());
		return true;
	default:
		for (int i = 0; i < 100000; i++)
			fnr_buf_puts(out, "small ");
		return true;
	}
}

static void fill(struct fnr_buf *picture, char what, uint32_t width, size_t len)
{
	unsigned char begin[BEGIN] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

	begin[18] = (unsigned char)(width >> 8);
	begin[19] = (unsigned char)width;
	begin[23] = 1;
	fnr_buf_reset(picture);
	fnr_buf_add(picture, begin, BEGIN);
	while (picture->len < len)
		fnr_buf_add(picture, &what, 1);
}

/* What becomes of a picture 1024 wide. */
static bool fit(char what, size_t len, struct fnr_buf *picture, char media_type[64])
{
	strcpy(media_type, "image/png");
	fill(picture, what, 1024, len);
	return preview_fit(picture, media_type, SIDE);
}

Test(preview, a_large_picture_becomes_a_small_jpeg)
{
	struct fnr_buf picture = FNR_BUF_INIT;
	char media_type[64];

	cr_assert(fit('s', 1000, &picture, media_type));
	cr_assert_str_eq(media_type, "image/jpeg");
	cr_assert_eq(picture.len, 600000);
	fnr_buf_free(&picture);
}

Test(preview, what_is_small_or_no_picture_stays_as_it_is)
{
	struct fnr_buf picture = FNR_BUF_INIT;
	char media_type[64] = "image/png";

	fill(&picture, 'a', SIDE, PREVIEW_PLAIN * 2);
	cr_assert(preview_fit(&picture, media_type, SIDE));
	fill(&picture, 'a', 1024, PREVIEW_PLAIN * 2);
	strcpy(media_type, "video/mp4");
	cr_assert(preview_fit(&picture, media_type, SIDE));
	cr_assert_eq(picture.len, PREVIEW_PLAIN * 2);
	fnr_buf_free(&picture);
}

Test(preview, what_cannot_be_decoded_is_shown_only_if_it_is_little)
{
	struct fnr_buf picture = FNR_BUF_INIT;
	char media_type[64];

	cr_assert_not(fit('n', PREVIEW_PLAIN + 1, &picture, media_type));
	cr_assert(fit('n', PREVIEW_PLAIN, &picture, media_type));
	cr_assert_str_eq(media_type, "image/png");
	cr_assert_eq(picture.len, PREVIEW_PLAIN);
	fnr_buf_free(&picture);
}

Test(preview, a_decoder_that_crashes_or_hangs_harms_nobody, .timeout = 600)
{
	struct fnr_buf picture = FNR_BUF_INIT;
	char media_type[64];
	int64_t begin;

	cr_assert_not(fit('a', PREVIEW_PLAIN + 1, &picture, media_type));
	begin = fnr_mono_ms();
	cr_assert_not(fit('h', PREVIEW_PLAIN + 1, &picture, media_type));
	cr_assert(fnr_mono_ms() - begin >= PREVIEW_MS / 2, "it had its time");
	fnr_buf_free(&picture);
}

Test(preview, a_decoder_that_was_taken_over_can_do_nothing)
{
	struct fnr_buf picture = FNR_BUF_INIT;
	char media_type[64];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_assert(fit('t', 1000, &picture, media_type));
	cr_assert_str_eq(picture.data, "0 worked");
	fnr_buf_free(&picture);
}
