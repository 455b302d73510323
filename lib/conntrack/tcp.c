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
#define NN TCP_NONE
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
const uint8_t tcp_table[TCP_STATES][2][TCP_EVENT_ROOM] = {
	/*			none ACK FIN SYN SYNACK RST */
	/* RFC 6146: only a SYN begins a connection */
	[TCP_NONE] = {{NN, NO, NO, SS, NO, NO}, {NN, NO, NO, NO, NO, NO}},
	/* RFC 7857 2: open when SYNs have passed both ways; RFC 5382 REQ-2: simultaneous open */
	[TCP_SYN_SENT] = {{SS, SS, SS, SS, SS, CL}, {SS, SS, SS, S2, SR, CL}},
	[TCP_SYN_SENT2] = {{S2, S2, S2, S2, SR, CL}, {S2, S2, S2, S2, SR, CL}},
	[TCP_SYN_RECV] = {{SR, ES, FW, SR, ES, CL}, {SR, SR, CW, SR, SR, CL}},
	/* RFC 7857 2.2: a RST shortens the session, and does not end it */
	[TCP_ESTABLISHED] = {{ES, ES, FW, ES, ES, CL}, {ES, ES, CW, ES, ES, CL}},
	/* RFC 6146: each side's FIN is remembered; both: the closing timeout runs */
	[TCP_FIN_WAIT] = {{FW, FW, FW, FW, FW, CL}, {FW, FW, TW, FW, FW, CL}},
	[TCP_CLOSE_WAIT] = {{CW, CW, LA, CW, CW, CL}, {CW, CW, CW, CW, CW, CL}},
	/* RFC 6191, RFC 9293 3.6.1: a new SYN reuses the ports; the other side's makes it the
	 * opener, which is open once our side, too, has acknowledged */
	[TCP_LAST_ACK] = {{LA, LA, LA, SS, LA, CL}, {LA, LA, LA, S2, LA, CL}},
	[TCP_TIME_WAIT] = {{TW, TW, TW, SS, TW, CL}, {TW, TW, TW, S2, TW, CL}},
	/* RFC 7857 2.2: data after the RST: the connection lives. A SYN of the other side is no
	 * reason to give up on it: like the RST, it may be forged (RFC 5961) */
	[TCP_CLOSE] = {{CL, ES, CL, SS, CL, CL}, {CL, ES, CL, CL, CL, CL}},
};
