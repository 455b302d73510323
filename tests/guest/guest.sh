# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC2153
#
# A guest of QEMU, emulated in software, with PCI NICs behind an IOMMU. It runs this machine's own
# files: its root is the host's, read-only below a tmpfs. Source it after tests/functional/lib.sh;
# the guest ends with the run.
#
#     guest_prepare                what it needs is there, or why not is in GUEST_MISSING
#     guest_start KIND:TAP...      a NIC each, nic1, nic2, ...; its tap is in namespace "weir"
#     guest COMMAND...             runs it there, as a script; its output, and its status
#     guest_monitor COMMAND...     of QEMU's monitor
#
# What is put into $GUEST_SHARE is in the guest's /run/guest, and the other way round.

GUEST=$ROOT/tests/guest
GUEST_CACHE=$WEIR_BUILD/guest
GUEST_BOOT_SECONDS=150
GUEST_SECONDS=60 # that a command may take
# What the guest's kernel needs before it sees the host's files; and what it finds there.
GUEST_FIRST_MODULES="virtio_pci 9pnet_virtio 9p overlay"
GUEST_MODULES="drivers/virtio drivers/vfio fs/9p fs/netfs fs/fscache fs/overlayfs net/9p virt"

# ---- what it needs ----

guest_prepare() {
	GUEST_MISSING=
	# in a shell of its own: it ends when they cannot be had
	(install_packages guest) || {
		GUEST_MISSING="the packages of QEMU cannot be had"
		return 1
	}
	if ! guest_kernel || ! guest_initrd; then
		GUEST_MISSING="a kernel for the guest cannot be had"
		return 1
	fi
}

# guest_kernel: Debian's, unpacked into the cache: kernel, and modules below lib/modules.
guest_kernel() {
	local new=$GUEST_CACHE.new

	[ ! -e "$GUEST_CACHE/kernel" ] || return 0
	rm -rf "$GUEST_CACHE" "$new"
	mkdir -p "$new" || return
	(cd "$new" && guest_kernel_unpack) && mv "$new" "$GUEST_CACHE"
}

guest_kernel_unpack() {
	local package folder patterns=()

	package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
	[ -n "$package" ] || return
	apt-get download "$package" || { apt-get update && apt-get download "$package"; } || return
	for folder in $GUEST_MODULES; do
		patterns+=("./lib/modules/*/kernel/$folder/*")
	done
	dpkg-deb --fsys-tarfile "$package"_*.deb |
		tar -x --wildcards './boot/vmlinuz-*' './lib/modules/*/modules.*' "${patterns[@]}" || return
	rm "$package"_*.deb
	depmod -b . "$(ls lib/modules)" && mv boot/vmlinuz-* kernel
}

guest_initrd() {
	local root=$GUEST_CACHE/initrd module file

	rm -rf "$root"
	mkdir -p "$root/bin" && cp /bin/busybox "$root/bin/" && cp "$GUEST/init" "$root/init" || return
	for module in $GUEST_FIRST_MODULES; do
		modprobe -d "$GUEST_CACHE" -S "$(ls "$GUEST_CACHE/lib/modules")" --show-depends "$module"
	done | awk '!seen[$2]++ { print $2 }' | while read -r file; do
		cp "$file" "$root/"
		printf '/%s\n' "${file##*/}"
	done >"$root/modules"
	(cd "$root" && find . | cpio --quiet -o -H newc) >"$GUEST_CACHE/initrd.cpio"
}

# ---- its life ----

# guest_nic NUMBER KIND:TAP: the options for it, in GUEST_OPTIONS. It is alone behind its port, so
# that its address is 0000:NUMBER:00.0.
guest_nic() {
	local number=$1 kind=${2%%:*} tap=${2#*:} queues=1 options=

	if [ "$kind" = virtio-net-pci ]; then
		queues=2
		options=,mq=on,vectors=6,rss=on,hash=on,disable-legacy=on,iommu_platform=on
	fi
	GUEST_OPTIONS+=(
		-device "pcie-root-port,id=port$number,chassis=$number,addr=0x1$number"
		-netdev "tap,id=tap$number,ifname=$tap,queues=$queues,script=no,downscript=no,vhost=off"
		-device "$kind,id=nic$number,netdev=tap$number,bus=port$number,romfile=,mac=02:00:00:00:01:0$number$options"
	)
}

# guest_share TAG FOLDER [OPTION]: the same for a folder.
guest_share() {
	GUEST_OPTIONS+=(
		-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap${3:-}"
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1"
	)
}

guest_start() {
	local folder=$RUN_DIR/qemu number=0 nic
	local kernel="console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"

	# what it would find wrong when it gets no CPU for a while
	kernel+=" no_timer_check tsc=reliable nowatchdog"
	kernel+=" intel_iommu=on hugepages=200 guest.modules=$GUEST_CACHE/lib/modules"
	GUEST_SHARE=$RUN_DIR/guest
	mkdir -p "$GUEST_SHARE" "$folder"
	mkfifo "$folder"/{agent,monitor}.{in,out}
	GUEST_OPTIONS=(
		-nodefaults -display none -no-reboot
		-machine q35 -accel "tcg,thread=multi" -cpu max -smp 3 -m 1280
		-device "intel-iommu,intremap=on,aw-bits=48"
		-kernel "$GUEST_CACHE/kernel" -initrd "$GUEST_CACHE/initrd.cpio"
		-append "$kernel"
		-serial "file:$folder/console"
		-chardev "pipe,id=agent,path=$folder/agent" -serial chardev:agent
		-monitor "pipe:$folder/monitor"
	)
	guest_share root / ,readonly=on
	guest_share guest "$GUEST_SHARE"
	for nic in "$@"; do
		number=$((number + 1))
		guest_nic $number "$nic"
	done
	exec {GUEST_IN}<>"$folder/agent.in" {GUEST_OUT}<>"$folder/agent.out"
	exec {GUEST_MONITOR}<>"$folder/monitor.in"
	inside weir qemu-system-x86_64 "${GUEST_OPTIONS[@]}" >"$folder/log" 2>&1 </dev/null &
	GUEST_PID=$!
	guest_answer $GUEST_BOOT_SECONDS ready || {
		cat "$folder/log" "$folder/console"
		return 1
	}
}

# guest_answer SECONDS START: waits for the line that starts so, and skips others. It is in
# GUEST_ANSWER.
guest_answer() {
	local end=$((SECONDS + $1))

	while kill -0 "$GUEST_PID" 2>/dev/null && [ $SECONDS -le $end ]; do
		read -r -t 1 -u "$GUEST_OUT" GUEST_ANSWER || continue
		[[ $GUEST_ANSWER != "$2"* ]] || return 0
	done
	return 1
}

guest() {
	local number=${EPOCHREALTIME/./}

	printf '%s\n' "$*" >"$GUEST_SHARE/$number"
	printf '%s\n' "$number" >&"$GUEST_IN"
	guest_answer $GUEST_SECONDS "$number " || {
		printf 'no answer of the guest after %s s\n' $GUEST_SECONDS
		return 124
	}
	cat "$GUEST_SHARE/$number.out"
	return "${GUEST_ANSWER#* }"
}

guest_monitor() {
	printf '%s\n' "$*" >&"$GUEST_MONITOR"
}
