/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_H
#define WEIR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How a module declares its part of the configuration: one table of rows in the file that owns the
 * values. The parser, its error messages, `weirctl show config` and the reference all come from
 * the rows. A module exports a `const struct config_section`; lib/control puts the sections
 * together into one file.
 */
enum config_type {
	CONFIG_BOOL,       /* bool; yes/no, true/false, on/off */
	CONFIG_UINT,       /* uint32_t within min..max */
	CONFIG_SECONDS,    /* uint32_t; "300", "300s", "5m", "2h" within min..max */
	CONFIG_CHOICE,     /* uint32_t: the index of the word in `words` */
	CONFIG_TEXT,       /* char *, on the heap; min..max is its length in bytes */
	CONFIG_IPV4,       /* rte_be32_t */
	CONFIG_INTERFACE,  /* struct config_interface: "192.0.2.1/24", host bits kept */
	CONFIG_PREFIX,     /* struct prefix: "192.0.2.0/24", no host bits */
	CONFIG_PORT_RANGE, /* struct config_range: "1024-65535", each within min..max */
	CONFIG_PREFIXES,   /* struct config_prefixes: a list of prefixes and "A-B" ranges */
	CONFIG_TEXTS,      /* struct config_texts: a list of strings */
	CONFIG_SECTION,    /* one nested mapping, `section`; when not given, its presets */
	CONFIG_SECTIONS,   /* a list of mappings: struct config_list, elements of `section` */
};

struct config_interface {
	uint32_t address; /* network order */
	uint8_t length;
};

struct config_range {
	uint32_t first, last; /* host order, both included */
};

struct config_prefixes {
	struct config_range *range; /* addresses in host order; on the heap */
	uint32_t n;
};

struct config_texts {
	char **text; /* on the heap */
	uint32_t n;
};

struct config_list {
	void *element; /* `n` structs of the section's size, on the heap */
	uint32_t n;
};

struct config_section;

struct config_row {
	const char *key;
	enum config_type type;
	uint32_t offset;          /* of the value in the section's struct */
	const char *preset;       /* the default as it would be written, a list's elements with
				   * spaces between them; NULL: must be given, a list with at
				   * least one element */
	uint64_t min, max;        /* of a number; max of a list: its elements; 0: no bound */
	const char *const *words; /* CONFIG_CHOICE: the words, NULL at the end */
	const struct config_section *section;
	bool reload;      /* a running weir takes a new value */
	const char *help; /* one sentence */
	const char *rfc;  /* "RFC 6888 REQ-8", or NULL */
};

struct config_section {
	const char *name;
	const char *help;
	size_t size; /* of the struct that the rows fill */
	const struct config_row *row;
	uint32_t n;
};

/*
 * A problem of the config as a person reads it: set by a module's own check of its values. It
 * becomes one line, `FILE:LINE: path: found "found", want right`.
 */
struct config_error {
	char path[128];  /* where: "pools[1].addresses" */
	char found[128]; /* what was found, or empty: it is not quoted then */
	char right[256]; /* what would be right, as it reads after "want" */
};

#endif
