#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 to .14 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254, .253
#
# What others' probes say of weir: a STUN server with two addresses (coturn), and the clients that
# applications' authors use, one by RFC 5780, one by RFC 3489. Each subscriber has a pool of another
# type; .10 has the default.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
POOL_ADDRESSES=203.0.113.0/29
net_up \
	'  - {name: restricted, addresses: [203.0.113.8], filtering: address-dependent}' \
	'  - {name: port-restricted, addresses: [203.0.113.9], filtering: address-and-port-dependent}' \
	'  - {name: by-address, addresses: [203.0.113.10], mapping: address-dependent,
     filtering: address-dependent}' \
	'  - {name: symmetric, addresses: [203.0.113.11], mapping: address-and-port-dependent,
     filtering: address-and-port-dependent}' \
	'rules:
  - {inside: 100.64.0.11/32, pool: restricted}
  - {inside: 100.64.0.12/32, pool: port-restricted}
  - {inside: 100.64.0.13/32, pool: by-address}
  - {inside: 100.64.0.14/32, pool: symmetric}
  - {pool: main}' "$SMALL"
SERVER2=198.51.100.253
net ip addr add $SERVER2/24 dev weir-out
for n in 12 13 14; do
	sub ip addr add 100.64.0.$n/16 dev weir-in
done
net turnserver -n --stun-only --no-tls --no-dtls --no-cli -L $SERVER -L $SERVER2 \
	--log-file stdout --pidfile "$RUN_DIR/turnserver.pid" >"$RUN_DIR/turnserver.log" 2>&1 </dev/null &

# listening ADDRESS...: on both ports.
listening() {
	local address port

	for address in "$@"; do
		for port in 3478 3479; do
			net ss -Hlun "src $address:$port" | grep -q . || return
		done
	done
}

# probe ADDRESS OPTION: what natdiscovery says, its last sentence.
probe() {
	sub timeout 60 turnutils_natdiscovery "$2" -L "$1" $SERVER 2>&1 | tee -a "$RUN_DIR/probes" |
		grep -E '!$|hairpinning\)$' | tail -n 1
}

# types ADDRESS TEXT MAPPING FILTERING
types() {
	expect_equal "$2: RFC 5780's probe finds mapping" "NAT with $3 Mapping!" "$(probe "$1" -m)"
	expect_equal "$2: and filtering" "NAT with $4 Filtering!" "$(probe "$1" -f)"
}

# classic ADDRESS: what RFC 3489's client says.
classic() {
	sub timeout 60 stun $SERVER -i "$1" 2>&1 | sed -n 's/^Primary: \(.*[a-z]\).*/\1/p'
}

expect "the STUN server listens on two addresses" wait_until 10 listening $SERVER $SERVER2
types 100.64.0.10 "by default" "Endpoint Independent" "Endpoint Independent"
expect_equal "by default: and hairpinning" \
	"Received a request (maybe a successful hairpinning)" "$(probe 100.64.0.10 -H)"
expect_equal "by default: RFC 3489's client finds a full cone" \
	"Independent Mapping, Independent Filter, random port, will hairpin" "$(classic 100.64.0.10)"
types 100.64.0.11 "filtering by address" "Endpoint Independent" "Address Dependent"
types 100.64.0.12 "filtering by address and port" "Endpoint Independent" \
	"Address and Port Dependent"
types 100.64.0.13 "mapping and filtering by address" "Address Dependent" "Address Dependent"
types 100.64.0.14 "mapping and filtering by address and port" "Address and Port Dependent" \
	"Address and Port Dependent"
expect "every packet is accounted for" wait_until 5 accounts_balance
[ $failures = 0 ] || tail -n 100 "$RUN_DIR/probes"
finish
