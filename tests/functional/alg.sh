#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
#     sub 100.64.0.10 -- weir 100.64.0.1 | 198.51.100.1 -- net 198.51.100.254
#
# FTP and TFTP by real clients and servers, through a filter that lets only those in who were asked
# for: data connections that the server opens need the ALG.
# shellcheck source=tests/functional/lib.sh
. "$(dirname "$0")/lib.sh"
POOL_OPTIONS=', filtering: address-and-port-dependent'
net_up "$SMALL" 'alg: {tftp: yes}'

mkdir -p "$RUN_DIR/pub" "$RUN_DIR/empty"
head -c 10000000 /dev/urandom >"$RUN_DIR/pub/data"
head -c 300000 "$RUN_DIR/pub/data" >"$RUN_DIR/pub/small"
chmod -R a+rX "$RUN_DIR/pub" "$RUN_DIR/empty"

cat >"$RUN_DIR/vsftpd.conf" <<-END
	listen=YES
	listen_address=$SERVER
	background=NO
	anonymous_enable=YES
	anon_root=$RUN_DIR/pub
	no_anon_password=YES
	connect_from_port_20=YES
	secure_chroot_dir=$RUN_DIR/empty
	seccomp_sandbox=NO
END
net /usr/sbin/vsftpd "$RUN_DIR/vsftpd.conf" >"$RUN_DIR/vsftpd.log" 2>&1 </dev/null &
net /usr/sbin/in.tftpd --foreground --address "$SERVER:69" --secure "$RUN_DIR/pub" \
	>"$RUN_DIR/tftpd.log" 2>&1 </dev/null &

listening() {
	net ss -Hln "sport = :$1" | grep -q .
}

# fetch OPTION...: the file by curl, compared.
fetch() {
	rm -f "$RUN_DIR/got"
	sub timeout 60 curl -sS "$@" -o "$RUN_DIR/got" "ftp://$SERVER/data" &&
		cmp "$RUN_DIR/pub/data" "$RUN_DIR/got"
}

lftp_fetch() {
	rm -f "$RUN_DIR/got"
	sub timeout 60 lftp -c "set ftp:passive-mode no; set net:max-retries 1; \
		set xfer:clobber yes; open $SERVER; ls; get data -o $RUN_DIR/got" &&
		cmp "$RUN_DIR/pub/data" "$RUN_DIR/got"
}

tftp_fetch() {
	rm -f "$RUN_DIR/got"
	sub timeout 60 tftp -m binary "$SERVER" -c get small "$RUN_DIR/got" &&
		cmp "$RUN_DIR/pub/small" "$RUN_DIR/got"
}

expect "the FTP server listens" wait_until 10 listening 21
expect "the TFTP server listens" wait_until 10 listening 69
expect "10 MB by passive FTP arrive as sent" fetch
expect "10 MB by passive FTP, PASV, arrive as sent" fetch --disable-epsv
expect "10 MB by active FTP, EPRT, arrive as sent" fetch --ftp-port -
expect "10 MB by active FTP, PORT, arrive as sent" fetch --ftp-port - --disable-eprt
expect "a listing and 10 MB in one active session of another client" lftp_fetch
expect "weirctl marks what the ALG let in" \
	grep -q expected <(weirctl --json show sessions)
expect "a file by TFTP, whose server answers from another port, arrives as sent" tftp_fetch

sed -i 's/tftp: yes/tftp: no, ftp: no/' "$CONFIG"
expect "weir takes other switches while it runs" kill -HUP "$WEIR_PID"
expect "the new switches are there" wait_until 5 grep -q reloaded "$RUN_DIR/weir.log"
expect_not "without the ALG, the same filter keeps the FTP server out" \
	sub timeout 20 curl -sS --ftp-port - --disable-eprt --connect-timeout 3 -o /dev/null \
	"ftp://$SERVER/small"
expect "every packet is accounted for" wait_until 5 accounts_balance
finish
