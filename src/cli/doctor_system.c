/* What fnr doctor looks at on the machine: kernel, limits, programs, fonts. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/data.h"
#include "cli/doctor.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#define LANDLOCK_VERSION 1u       /* LANDLOCK_CREATE_RULESET_VERSION */

#define OPEN_FILES 65536
#define BACKLOG 4096

/* ---- the build ---- */

void doctor_build(void)
{
#ifdef FNR_FAULTS
	finding("build", VERDICT_WARN, "the file run/faults of the data directory makes commits, flushes and starts fail at will",
	        "build it again, without --enable-faults", "made for tests, with fault points");
#else
	finding("build", VERDICT_OK, NULL, NULL, "without fault points");
#endif
}

/* ---- kernel ---- */

static void landlock(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);

	if (abi > 0)
		finding("landlock", VERDICT_OK, NULL, NULL, "ABI %ld: scripts write in the folder of their attempt only", abi);
	else
		finding("landlock", VERDICT_WARN, "scripts can write wherever the user that runs them can",
		        errno == EOPNOTSUPP ? "add landlock to the kernel's parameter lsm= (cat /sys/kernel/security/lsm) and boot again"
		                            : "boot a kernel of version 5.13 or newer: apt install linux-image-amd64",
		        "not there: %s", strerror(errno));
}

static void openat2_(void)
{
	struct { uint64_t flags, mode, resolve; } how = { O_RDONLY | O_CLOEXEC, 0, 0 };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);

	if (fd >= 0 || errno == EACCES)
		finding("openat2", VERDICT_OK, NULL, NULL, "paths are opened below their folder in one step");
	else
		finding("openat2", VERDICT_WARN, "paths are opened folder by folder, which is as safe but slower",
		        "boot a kernel of version 5.6 or newer, or allow the call where a container forbids it", "not there: %s", strerror(errno));
	fnr_fd_close(&fd);
}

static void pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd >= 0)
		finding("pidfd", VERDICT_OK, NULL, NULL, "the end of a script is noticed at once");
	else
		finding("pidfd", VERDICT_WARN, "the end of a script is noticed a little later",
		        "boot a kernel of version 5.3 or newer, or allow the call where a container forbids it", "not there: %s", strerror(errno));
	fnr_fd_close(&fd);
}

void doctor_kernel(void)
{
	struct utsname name;

	if (uname(&name) == 0)
		finding("kernel", VERDICT_OK, NULL, NULL, "%s %s %s", name.sysname, name.release, name.machine);
	landlock();
	openat2_();
	pidfd();
}

/* ---- limits ---- */

static void open_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= OPEN_FILES || geteuid() == 0)
		finding("open files", VERDICT_OK, NULL, NULL, "%s", limit.rlim_max == RLIM_INFINITY ? "no limit" : "as many as are needed");
	else
		finding("open files", VERDICT_WARN, "each open page and stream needs one: with too few, new connections are refused",
		        "echo '* hard nofile 65536' | sudo tee /etc/security/limits.d/fnr.conf, and log in again; or LimitNOFILE=65536 in the unit",
		        "at most %llu, wanted are %d", (unsigned long long)limit.rlim_max, OPEN_FILES);
}

static void somaxconn(void)
{
	struct fnr_buf text = FNR_BUF_INIT;
	long backlog = 0;

	if (fnr_file_read("/proc/sys/net/core/somaxconn", 64, &text, NULL) == FNR_OK)
		backlog = atol(text.data);
	fnr_buf_free(&text);
	if (backlog >= BACKLOG)
		finding("somaxconn", VERDICT_OK, NULL, NULL, "%ld", backlog);
	else
		finding("somaxconn", VERDICT_WARN, "many clients that connect at the same moment are refused",
		        "echo net.core.somaxconn=4096 | sudo tee /etc/sysctl.d/60-fnr.conf && sudo sysctl --system", "%ld, wanted are %d", backlog, BACKLOG);
}

void doctor_limits(void)
{
	open_files();
	somaxconn();
}

/* ---- programs ---- */

struct program {
	const char *name;
	const char *variable, *built;       /* names another one; the one it was built with, or NULL */
	const char *argument;               /* makes it tell its version */
	enum verdict without;
	const char *why, *mend;
};

static const struct program programs[] = {
	{ "nginx", "FNR_NGINX_PROGRAM", FNR_NGINX, "-v", VERDICT_FAIL, "it answers all requests: without it nothing starts",
	  "sudo apt install --no-install-recommends nginx-light" },
	{ "ffmpeg", NULL, NULL, "-version", VERDICT_WARN, "functions that make video or sound need it", "sudo apt install ffmpeg" },
	{ "espeak-ng", NULL, NULL, "--version", VERDICT_WARN, "functions that speak need it", "sudo apt install espeak-ng" },
	{ "vipsthumbnail", NULL, NULL, "--version", VERDICT_WARN, "thumbnails of pictures need it", "sudo apt install libvips-tools" },
	{ "tar", NULL, NULL, "--version", VERDICT_WARN, "fnr backup needs it to write one file instead of a folder", "sudo apt install tar" },
};

static void first_line(struct fnr_buf *text)
{
	if (text->len) {
		text->data[strcspn(text->data, "\n")] = 0;
		if (strlen(text->data) > 100)
			text->data[100] = 0;
	}
}

static void look_at_program(const struct program *program)
{
	const char *other = program->variable ? getenv(program->variable) : NULL;
	const char *path = other && *other ? other : program->built ? program->built : program->name;
	char *argv[] = { (char *)path, (char *)program->argument, NULL };
	struct fnr_buf text = FNR_BUF_INIT;

	if (doctor_run(argv, &text)) {
		first_line(&text);
		finding(program->name, VERDICT_OK, NULL, NULL, "%s", text.len ? text.data : path);
	} else {
		finding(program->name, program->without, program->why, program->mend, "%s does not run", path);
	}
	fnr_buf_free(&text);
}

static void python(void)
{
	static const char words[] = "import platform, cairo, gi\n"
	                            "gi.require_version('Pango', '1.0'); gi.require_version('PangoCairo', '1.0')\n"
	                            "from gi.repository import Pango, PangoCairo\n"
	                            "print('Python ' + platform.python_version() + ', Pango ' + Pango.version_string() + ', cairo ' + cairo.version)\n";
	char *argv[] = { (char *)FNR_PYTHON3, "-I", "-c", (char *)words, NULL }, *version[] = { (char *)FNR_PYTHON3, "--version", NULL };
	struct fnr_buf text = FNR_BUF_INIT, plain = FNR_BUF_INIT;

	if (doctor_run(argv, &text)) {
		first_line(&text);
		finding("python3", VERDICT_OK, NULL, NULL, "%s", text.data);
	} else if (doctor_run(version, &plain)) {
		finding("python3", VERDICT_FAIL, "create_title_card, and all that sets text with Pango, needs them",
		        "sudo apt install python3-gi python3-gi-cairo gir1.2-pango-1.0", "%s has not gi, Pango and cairo", FNR_PYTHON3);
	} else {
		finding("python3", VERDICT_FAIL, "functions written in Python need it, create_title_card among them",
		        "sudo apt install python3 python3-gi python3-gi-cairo gir1.2-pango-1.0", "%s does not run", FNR_PYTHON3);
	}
	fnr_buf_free(&text);
	fnr_buf_free(&plain);
}

static void pictures(void)
{
	static const char words[] = "import gi, numpy\n"
	                            "gi.require_version('Vips', '8.0')\n"
	                            "from gi.repository import Vips\n"
	                            "print('libvips ' + Vips.version_string() + ', numpy ' + numpy.__version__)\n";
	char *argv[] = { (char *)FNR_PYTHON3, "-I", "-c", (char *)words, NULL };
	struct fnr_buf text = FNR_BUF_INIT;

	if (doctor_run(argv, &text)) {
		first_line(&text);
		finding("libvips", VERDICT_OK, NULL, NULL, "%s", text.data);
	} else {
		finding("libvips", VERDICT_WARN, "apply_style and make_contact_sheet need them", "sudo apt install gir1.2-vips-8.0 python3-numpy",
		        "%s has not Vips and numpy", FNR_PYTHON3);
	}
	fnr_buf_free(&text);
}

static void installation(void)
{
	static const char *const parts[] = { "nginx/nginx.conf.in", "presets.yaml", "errors.yaml", "openapi.yaml", "bridge/fnr_bridge.py", "bridge/fnr_thumbnail.py", "templates", "web" };
	char path[PATH_MAX], missing[256] = "";

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", fnr_share_dir(), parts[i]);
		if (access(path, R_OK) != 0)
			snprintf(missing + strlen(missing), sizeof missing - strlen(missing), " %s", parts[i]);
	}
	if (!*missing)
		finding("installation", VERDICT_OK, NULL, NULL, "fnr " PACKAGE_VERSION ", files in %s", fnr_share_dir());
	else
		finding("installation", VERDICT_FAIL, "the system needs them when it starts", "make install, or the package again", "missing in %s:%s", fnr_share_dir(),
		        missing);
}

void doctor_programs(void)
{
	installation();
	python();
	pictures();
	for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
		look_at_program(&programs[i]);
}

/* ---- fonts: the families that create_title_card asks for ---- */

static const struct { const char *family, *package; } fonts[] = {
	{ "Noto Sans", "fonts-noto-core" }, { "Noto Serif", "fonts-noto-core" }, { "Noto Sans Mono", "fonts-noto-mono" },
	{ "Noto Sans Arabic", "fonts-noto-core" }, { "Noto Naskh Arabic", "fonts-noto-core" }, { "Noto Sans Hebrew", "fonts-noto-core" },
	{ "Noto Serif Hebrew", "fonts-noto-core" }, { "Noto Sans CJK SC", "fonts-noto-cjk" }, { "Noto Serif CJK SC", "fonts-noto-cjk" },
	{ "Noto Sans Mono CJK SC", "fonts-noto-cjk" }, { "Noto Color Emoji", "fonts-noto-color-emoji" },
};

/* fc-list prints a family a line, or several names of it with commas. */
static bool has_family(const char *list, const char *family)
{
	size_t len = strlen(family);

	for (const char *at = list; (at = strstr(at, family)); at += len)
		if ((at == list || strchr("\n,", at[-1])) && (!at[len] || strchr("\n,", at[len])))
			return true;
	return false;
}

void doctor_fonts(void)
{
	char *argv[] = { "fc-list", ":", "--format", "%{family}\n", NULL };
	struct fnr_buf text = FNR_BUF_INIT;
	char missing[512] = "", mend[256] = "sudo apt install";

	if (!doctor_run(argv, &text)) {
		finding("fonts", VERDICT_WARN, "titles in scripts that no font covers show empty boxes", "sudo apt install fontconfig", "fc-list does not run");
		fnr_buf_free(&text);
		return;
	}
	for (size_t i = 0; i < sizeof fonts / sizeof fonts[0]; i++) {
		if (has_family(text.data, fonts[i].family))
			continue;
		snprintf(missing + strlen(missing), sizeof missing - strlen(missing), "%s %s", *missing ? "," : "", fonts[i].family);
		if (!strstr(mend, fonts[i].package))
			snprintf(mend + strlen(mend), sizeof mend - strlen(mend), " %s", fonts[i].package);
	}
	fnr_buf_free(&text);
	if (*missing)
		finding("fonts", VERDICT_WARN, "titles in their scripts are set in another font, or show empty boxes", mend, "missing:%s", missing);
	else
		finding("fonts", VERDICT_OK, NULL, NULL, "all %zu families of the title card", sizeof fonts / sizeof fonts[0]);
}
