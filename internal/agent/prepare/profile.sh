# Restores the image's PATH in a login shell. /etc/profile of most distributions
# replaces PATH, and so drops folders of the image (conda, CUDA, a virtual
# environment). Folders that other files in /etc/profile.d have added stay: before
# those of the image if they came before those of the system, or after them.

if [ -n "${DEVSERVER_PATH:-}" ]; then
	__devserver_rest=${PATH:-}:
	__devserver_front=
	__devserver_back=
	__devserver_system=
	while [ -n "$__devserver_rest" ]; do
		__devserver_dir=${__devserver_rest%%:*}
		__devserver_rest=${__devserver_rest#*:}
		case $__devserver_dir in
		/bin | /sbin | /usr/bin | /usr/sbin | /usr/local/bin | /usr/local/sbin | /usr/games | /usr/local/games)
			__devserver_system=1
			continue
			;;
		'')
			continue
			;;
		esac
		case ":$__devserver_front$DEVSERVER_PATH$__devserver_back:" in
		*":$__devserver_dir:"*)
			continue
			;;
		esac
		if [ -n "$__devserver_system" ]; then
			__devserver_back=$__devserver_back:$__devserver_dir
		else
			__devserver_front=$__devserver_front$__devserver_dir:
		fi
	done
	PATH=$__devserver_front$DEVSERVER_PATH$__devserver_back
	export PATH
	unset __devserver_rest __devserver_front __devserver_back __devserver_system __devserver_dir
fi

if [ -n "${DEVSERVER_LD_LIBRARY_PATH:-}" ] && [ -z "${LD_LIBRARY_PATH:-}" ]; then
	LD_LIBRARY_PATH=$DEVSERVER_LD_LIBRARY_PATH
	export LD_LIBRARY_PATH
fi
