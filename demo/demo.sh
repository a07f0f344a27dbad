#!/bin/bash
# Shows a developer's steps on the local cluster, from an SSH key and a few lines of
# YAML to a shell. "make demo" runs it once the cluster is up. It can be repeated.
set -euo pipefail

cd "$(dirname "$0")/.."
: "${CLUSTER:=devserver}"
# Ignore KUBECONFIG: the demo must not change another cluster.
KUBECONFIG=$(make -s kubeconfig CLUSTER="$CLUSTER")
export KUBECONFIG

name=my-dev-server
namespace=default
# Outside the checkout, so the key cannot be committed.
state=${XDG_STATE_HOME:-$HOME/.local/state}/devserver/demo-$CLUSTER

bold='' dim='' green='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'
fi

# title prints the heading of a step.
title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }

# show prints a command line with its prompt.
show() { printf '%s$%s %s\n' "$green" "$plain" "$1"; }

# quote prints text indented and dimmed.
quote() { sed "s/^/  $dim/; s/\$/$plain/"; }

# get reads one field of the DevServer.
get() { bin/kubectl -n "$namespace" get dev "$name" -o "jsonpath={$1}"; }

mkdir -p "$state"
chmod 700 "$state"
key=$state/id_ed25519

title "The developer's SSH key"
if [[ ! -f $key ]]; then
	ssh-keygen -q -t ed25519 -N '' -C demo -f "$key"
fi
ssh-keygen -lf "$key" | quote

title "The admin creates a flavor and a shared volume"
offer=(-f examples/flavor-cpu-small.yaml -f examples/shared-claim.yaml)
show "kubectl apply ${offer[*]}"
bin/kubectl -n "$namespace" apply "${offer[@]}" | quote

title "The developer creates a server"
# A public key does not contain the delimiter | of sed.
sed "s|PUBLIC_KEY|$(<"$key.pub")|; /^#/d" demo/devserver.yaml >"$state/devserver.yaml"
sed 's/\(ssh-ed25519 .\{20\}\)[^"]*/\1…/' "$state/devserver.yaml" | quote
show "kubectl apply -f ${state/#$HOME/\~}/devserver.yaml"
bin/kubectl -n "$namespace" apply -f "$state/devserver.yaml" | quote

title "Wait until the server is running"
show "devctl wait $name"
bin/devctl -n "$namespace" wait "$name"

# The status has the ssh command and the host key, so ssh does not ask to confirm a
# fingerprint. A new cluster has new host keys.
echo "$name.$namespace $(get .status.ssh.hostKey)" >"$state/known_hosts"
options=$(get .status.ssh.command)
options=${options#ssh }
# The same command for display, on several lines.
line="ssh -i ${key/#$HOME/\~} \\
    -o UserKnownHostsFile=${state/#$HOME/\~}/known_hosts \\
    $options"

title "Log in with OpenSSH from outside the cluster"
read -r -d '' script <<'END' || true
echo "$(whoami) on $(hostname), Linux $(uname -r), $(python3 --version)"
df -h --output=target,source,size,avail /home/dev /shared
date >> ~/visits; echo "Visit number $(wc -l < ~/visits) to this home."
END
show "$line '"
quote <<<"$script"
echo "'"
# On a busy machine kube-proxy opens the port a moment after the SSH server is ready.
# The words of the command in the status contain no spaces.
# shellcheck disable=SC2086
ssh -i "$key" -o UserKnownHostsFile="$state/known_hosts" -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectionAttempts=10 $options "$script"

title "The cluster keeps running. Next steps"
cat <<END
  export KUBECONFIG=$KUBECONFIG
  bin/kubectl get dev
  bin/kubectl describe dev $name
  bin/devctl list
  $line
  make down$([[ $CLUSTER == devserver ]] || echo " CLUSTER=$CLUSTER")      ${dim}# removes the cluster and everything in it$plain
END
