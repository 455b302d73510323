/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp.h"

const char *const tcp_state_names[TCP_STATES] = {
	[TCP_NONE] = "NONE",
	[TCP_SYN_SENT] = "SYN_SENT",
	[TCP_SYN_SENT2] = "SYN_SENT2",
	[TCP_SYN_RECV] = "SYN_RECV",
	[TCP_ESTABLISHED] = "ESTABLISHED",
	[TCP_FIN_WAIT] = "FIN_WAIT",
	[TCP_CLOSE_WAIT] = "CLOSE_WAIT",
	[TCP_LAST_ACK] = "LAST_ACK",
	[TCP_TIME_WAIT] = "TIME_WAIT",
	[TCP_CLOSE] = "CLOSE",
};

#define NO TCP_REFUSED
#define SS TCP_SYN_SENT
#define S2 TCP_SYN_SENT2
#define SR TCP_SYN_RECV
#define ES TCP_ESTABLISHED
#define FW TCP_FIN_WAIT
#define CW TCP_CLOSE_WAIT
#define LA TCP_LAST_ACK
#define TW TCP_TIME_WAIT
#define CL TCP_CLOSE

/*
 * [state][direction][event]. RFC 6146 section 3.5.2.2 in its terms: V6 INIT is SYN_SENT, V4/V6 FIN
 * RCV are FIN_WAIT and CLOSE_WAIT, V4 + V6 FIN RCV are LAST_ACK and TIME_WAIT, TRANS is CLOSE.
 */
const uint8_t tcp_table[TCP_STATES][2][TCP_EVENT_COUNT] = {
	/*			none ACK SYN SYNACK FIN RST */
	/* RFC 6146: only a SYN begins a connection */
	[TCP_NONE] = {{NO, NO, SS, NO, NO, NO}, {NO, NO, NO, NO, NO, NO}},
	/* RFC 7857 2: open when SYNs have passed both ways; RFC 5382 REQ-2: simultaneous open */
	[TCP_SYN_SENT] = {{NO, SS, SS, SS, SS, CL}, {NO, SS, S2, SR, SS, CL}},
	[TCP_SYN_SENT2] = {{NO, S2, S2, SR, S2, CL}, {NO, S2, S2, SR, S2, CL}},
	[TCP_SYN_RECV] = {{NO, ES, SR, ES, FW, CL}, {NO, SR, SR, SR, CW, CL}},
	/* RFC 7857 2.2: a RST shortens the session, and does not end it */
	[TCP_ESTABLISHED] = {{NO, ES, ES, ES, FW, CL}, {NO, ES, ES, ES, CW, CL}},
	/* RFC 6146: each side's FIN is remembered; both: the closing timeout runs */
	[TCP_FIN_WAIT] = {{NO, FW, FW, FW, FW, CL}, {NO, FW, FW, FW, TW, CL}},
	[TCP_CLOSE_WAIT] = {{NO, CW, CW, CW, LA, CL}, {NO, CW, CW, CW, CW, CL}},
	/* RFC 6191, RFC 9293 3.6.1: the opener's new SYN reuses the ports */
	[TCP_LAST_ACK] = {{NO, LA, SS, LA, LA, CL}, {NO, LA, LA, LA, LA, CL}},
	[TCP_TIME_WAIT] = {{NO, TW, SS, TW, TW, CL}, {NO, TW, TW, TW, TW, CL}},
	/* RFC 7857 2.2: data after the RST: the connection lives */
	[TCP_CLOSE] = {{NO, ES, SS, CL, CL, CL}, {NO, ES, CL, CL, CL, CL}},
};
