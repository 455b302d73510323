/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_FUZZ_H
#define WEIR_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

/*
 * What the fuzz targets share. A target is one file with libFuzzer's two functions. Built by clang
 * with -Dfuzz=true it is a fuzzer; otherwise replay.c's main gives it the files of a corpus.
 */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input: says where it does not, and aborts. */
#define FUZZ_CHECK(condition)                                                                     \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* ---- reading an input: zeros past its end ---- */

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

uint8_t fuzz_byte(struct fuzz_input *input);
uint16_t fuzz_word(struct fuzz_input *input); /* network order */
/* The next n bytes, or as many as there are: n is set to that. */
const uint8_t *fuzz_bytes(struct fuzz_input *input, size_t *n);

/* ---- frames ---- */

#define FUZZ_FRAME_MAX 10000

/*
 * The bytes as an mbuf, in segments of `cut` bytes (0: in one). Each segment lies in a heap block
 * of just its size, which the address sanitizer watches, as it does not DPDK's own memory.
 */
struct rte_mbuf *fuzz_frame(const uint8_t *bytes, size_t length, size_t cut);

/* Copies the frame's bytes: how many, `size` at most. */
size_t fuzz_flatten(const struct rte_mbuf *frame, uint8_t *bytes, size_t size);

/* Blocks of frames not yet freed. */
uint32_t fuzz_frames_live(void);

/* ---- checksums: nothing of weir's own; all take an IP packet of whatever bytes ---- */

/* Makes the header checksum right, if the header is there. */
void fuzz_fix_ip(uint8_t *ip, size_t length);
/* Makes the TCP, UDP or ICMP checksum right, if the headers are there and it is no fragment; in
 * an ICMP error first the quoted header's. */
void fuzz_fix_transport(uint8_t *ip, size_t length);

bool fuzz_ip_ok(const uint8_t *ip, size_t length);
/* True as well for what has no such checksum. */
bool fuzz_transport_ok(const uint8_t *ip, size_t length);

/* An ICMP error: where its quote begins, in bytes from the IP header; 0: it is none. */
size_t fuzz_quote(const uint8_t *ip, size_t length);

#endif
