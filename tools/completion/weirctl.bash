# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# bash completion for weirctl; install as /usr/share/bash-completion/completions/weirctl
# The commands come from `weirctl help`, so they are always this weirctl's.

_weirctl_filters="inside outside remote inside-port outside-port remote-port protocol state realm"

_weirctl() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local words="" command="" i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) i=$((i + 1)) ;;
		-*) ;;
		*) command="${command:+$command }${COMP_WORDS[i]}" ;;
		esac
	done
	case $previous in
	--socket)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	protocol) words="tcp udp icmp" ;;
	esac
	if [ -z "$words" ]; then
		case ${command#help } in
		"show sessions"*) words="$_weirctl_filters limit --lines" ;;
		"clear sessions"*) words="$_weirctl_filters --all" ;;
		"show verdicts") words="--all" ;;
		"lookup "*" "*) words="tcp udp icmp" ;;
		*)
			words=$("${COMP_WORDS[0]}" help 2>/dev/null |
				sed -n 's/^  \([a-z][a-z ]*[a-z]\)   *.*/\1/p' |
				awk -v have="${command#help}" '
					{ sub(/^ /, "", have) }
					have == "" { print $1 }
					have != "" && $1 == have && NF > 1 { print $2 }' |
				sort -u)
			;;
		esac
		words="$words --json --socket --help"
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _weirctl weirctl
