# SPDX-License-Identifier: BSD-3-Clause
"""A SIP request, as a phone with an inside address writes it."""

INVITE = """\
INVITE sip:bob@example.net SIP/2.0\r
Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bK1\r
From: <sip:alice@example.net>;tag=1\r
To: <sip:bob@example.net>\r
Call-ID: 1@{host}\r
CSeq: 1 INVITE\r
Contact: <sip:alice@{host}:5060>\r
Content-Length: 0\r
\r
"""
