#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/base64.h"

Test(base64, decodes)
{
	static const struct { const char *text, *bytes; } cases[] = {
		{ "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" }, { "Zm9vYg==", "foob" }, { "Zm9vYmFy", "foobar" },
		{ "+/+/", "\xfb\xff\xbf" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t len = strlen(cases[i].text), size = fnr_base64_size(cases[i].text, len);
		char out[16];

		cr_assert_eq(size, strlen(cases[i].bytes), "%s", cases[i].text);
		fnr_base64_decode(cases[i].text, len, out);
		cr_expect_arr_eq(out, cases[i].bytes, size, "%s", cases[i].text);
	}
}

Test(base64, what_is_none)
{
	static const char *const cases[] = { "Z", "Zg", "Zg=", "=", "==", "====", "Z===", "Zg==Zg==", "Zm9\n", "Zm-_", " Zm9", "Zm9v=" };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(fnr_base64_size(cases[i], strlen(cases[i])), SIZE_MAX, "%s", cases[i]);
}
