/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_fixture.h"

const char fixture_good[] = "interfaces:\n"                            /* 1 */
			    "  - name: inside\n"                       /* 2 */
			    "    device: \"net_tap0,iface=weir-in\"\n" /* 3 */
			    "    side: inside\n"                       /* 4 */
			    "    address: 100.64.0.1/16\n"             /* 5 */
			    "  - name: outside\n"                      /* 6 */
			    "    device: \"net_tap1,iface=weir-o\"\n"  /* 7 */
			    "    side: outside\n"                      /* 8 */
			    "    address: 198.51.100.1/24\n"           /* 9 */
			    "routes:\n"                                /* 10 */
			    "  - to: 0.0.0.0/0\n"                      /* 11 */
			    "    via: 198.51.100.254\n"                /* 12 */
			    "pools:\n"                                 /* 13 */
			    "  - name: main\n"                         /* 14 */
			    "    addresses: [203.0.113.0/28]\n";       /* 15 */

char fixture_errors[1024];

void fixture_write(const char *text, size_t size)
{
	FILE *file = fopen("weir.yaml", "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

struct config *fixture_load(const char *path)
{
	FILE *file = fmemopen(fixture_errors, sizeof(fixture_errors), "w");
	struct config *config;

	memset(fixture_errors, 0, sizeof(fixture_errors));
	config = config_load(path, file);
	fclose(file);
	return config;
}

struct config *fixture_load_text(const char *text)
{
	fixture_write(text, strlen(text));
	return fixture_load("weir.yaml");
}

struct config *fixture_load_changed(const char *from, const char *to)
{
	char text[4096];
	const char *at =
		from != NULL ? strstr(fixture_good, from) : fixture_good + strlen(fixture_good);

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - fixture_good), fixture_good, to,
		 from != NULL ? at + strlen(from) : at);
	return fixture_load_text(text);
}

static char directory[] = "/tmp/weir-config-XXXXXX";

int fixture_enter(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL ? chdir(directory) : -1;
}

int fixture_leave(void **state)
{
	(void)state;
	unlink("weir.yaml");
	return chdir("/") == 0 ? rmdir(directory) : -1;
}
