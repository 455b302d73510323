/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config_file.h"
#include "fuzz.h"

/* config_load() on a file of any bytes. Input: the file. */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

/* A refusal is one line that can be read, whatever the file holds. */
static void check_error(const char *text, size_t length)
{
	FUZZ_CHECK(length > 1 && text[length - 1] == '\n');
	for (size_t i = 0; i + 1 < length; i++)
		FUZZ_CHECK(!iscntrl((unsigned char)text[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], *text = NULL;
	size_t length = 0;
	FILE *errors = open_memstream(&text, &length);
	int file = memfd_create("config", 0);

	FUZZ_CHECK(errors != NULL && file >= 0);
	FUZZ_CHECK(write(file, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	struct config *config = config_load(path, errors);
	fclose(errors);
	close(file);
	if (config == NULL) {
		check_error(text, length);
	} else {
		json_t *json = config_to_json(config);

		FUZZ_CHECK(length == 0 && json_is_object(json));
		json_decref(json);
		config_free(config);
	}
	free(text);
	return 0;
}
