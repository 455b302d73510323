/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

/* Gives a target the files that are named, and those in folders that are named, in order. */

#define FILE_MAX (1 << 20)

static unsigned int replayed;

static void replay_file(const char *path)
{
	uint8_t *bytes = malloc(FILE_MAX);
	FILE *file = fopen(path, "rb");

	if (bytes == NULL || file == NULL) {
		perror(path);
		exit(1);
	}
	size_t size = fread(bytes, 1, FILE_MAX, file);
	fclose(file);
	/* of just its size, so that the address sanitizer sees a read past it */
	uint8_t *exact = malloc(size);
	for (size_t i = 0; i < size; i++)
		exact[i] = bytes[i];
	free(bytes);
	fprintf(stderr, "%s\n", path); /* the last line before an abort says whose it is */
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	replayed++;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay(const char *path)
{
	struct dirent **entry;
	struct stat status;

	if (stat(path, &status) != 0) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(status.st_mode))
		return replay_file(path);
	int n = scandir(path, &entry, is_visible, alphasort);
	for (int i = 0; i < n; i++) {
		char *inner;

		if (asprintf(&inner, "%s/%s", path, entry[i]->d_name) < 0)
			exit(1);
		replay_file(inner);
		free(inner);
		free(entry[i]);
	}
	free(entry);
}

int main(int argc, char **argv)
{
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%u inputs\n", replayed);
	return replayed > 0 ? 0 : 1;
}
