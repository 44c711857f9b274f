#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/memo.h"
#include "base/hash.h"

static struct memo *make(void)
{
	struct memo *memo = mmap(NULL, sizeof *memo, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert(memo != MAP_FAILED);
	return memo;
}

static void key_of(int number, uint8_t key[MEMO_KEY])
{
	fnr_sha256_of(&number, sizeof number, key);
}

static bool knows(struct memo *memo, int number, const char *answer)
{
	struct fnr_buf out = FNR_BUF_INIT;
	uint8_t key[MEMO_KEY];
	bool known;

	key_of(number, key);
	fnr_buf_puts(&out, "before ");
	known = memo_get(memo, key, &out);
	if (known && answer)
		cr_expect(out.len == 7 + strlen(answer) && strcmp(out.data + 7, answer) == 0, "%s", out.data);
	else if (!known)
		cr_expect_eq(out.len, 7, "nothing is added");
	fnr_buf_free(&out);
	return known;
}

static void put(struct memo *memo, int number, const char *answer)
{
	uint8_t key[MEMO_KEY];

	key_of(number, key);
	memo_put(memo, key, answer, strlen(answer));
}

Test(memo, keeps_answers)
{
	struct memo *memo = make();
	char *large = malloc(MEMO_MOST + 2);

	memset(large, 'x', MEMO_MOST + 1);
	large[MEMO_MOST + 1] = 0;
	cr_expect_not(knows(memo, 0, NULL), "it knows nothing, not even the answer to nothing");
	put(memo, 1, "one");
	put(memo, 2, "");
	cr_expect(knows(memo, 1, "one") && knows(memo, 2, "") && !knows(memo, 3, NULL));
	put(memo, 4, large);
	cr_expect_not(knows(memo, 4, NULL), "too large");
	put(memo, 4, large + 1);
	cr_expect(knows(memo, 4, large + 1));
	free(large);
}

/* However many there are, what is asked for stays and the rest makes room. */
Test(memo, is_bounded)
{
	struct memo *memo = make();
	int known = 0;

	put(memo, -1, "in use");
	for (int i = 0; i < 20000; i++) {
		put(memo, i, "once");
		cr_assert(knows(memo, i, "once"));
		cr_assert(knows(memo, -1, "in use"), "after %d", i);
	}
	for (int i = 0; i < 20000; i++)
		known += knows(memo, i, "once");
	cr_expect(known > MEMO_ENTRIES / 2 && known < MEMO_ENTRIES, "%d", known);
}

/* What a writer left that was killed in between. */
Test(memo, half_written_is_not_there)
{
	struct memo *memo = make();

	put(memo, 1, "a whole answer");
	for (size_t i = 0; i < MEMO_ENTRIES; i++) {
		if (!memo->entries[i].len)
			continue;
		memo->entries[i].data[3] ^= 1;
		cr_expect_not(knows(memo, 1, NULL));
		memo->entries[i].data[3] ^= 1;
		memo->entries[i].len--;
		cr_expect_not(knows(memo, 1, NULL));
		memo->entries[i].len = UINT32_MAX;
		cr_expect_not(knows(memo, 1, NULL));
	}
	put(memo, 1, "another");
	cr_expect(knows(memo, 1, "another"));
}

/* Two answers to one key, of different lengths, which only differ by what they are made of. */
static int write_and_read(struct memo *memo, char letter)
{
	char text[MEMO_MOST];
	uint8_t key[MEMO_KEY];
	struct fnr_buf out = FNR_BUF_INIT;

	key_of(7, key);
	memset(text, letter, sizeof text);
	for (int i = 0; i < 3000; i++) {
		memo_put(memo, key, text, (size_t)(letter == 'a' ? 8000 : 4000));
		fnr_buf_reset(&out);
		if (!memo_get(memo, key, &out))
			continue;
		for (size_t at = 0; at < out.len; at++)
			if (out.data[at] != out.data[0])
				_exit(1);
		if (out.len != (out.data[0] == 'a' ? 8000u : 4000u))
			_exit(2);
	}
	_exit(0);
}

Test(memo, many_at_once, .timeout = 600)
{
	struct memo *memo = make();
	int status;

	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			write_and_read(memo, i % 2 ? 'a' : 'b');
	for (int i = 0; i < 4; i++) {
		cr_assert(wait(&status) > 0);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
	}
}
