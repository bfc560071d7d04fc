# The reference controller, with the way into the cluster that a pod has.
set -e
secrets=/var/run/secrets/kubernetes.io/serviceaccount
cat > /tmp/kubeconfig <<EOF
current-context: own
contexts: [{name: own, context: {cluster: own, user: own}}]
clusters:
- name: own
  cluster: {server: "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT", certificate-authority: $secrets/ca.crt}
users: [{name: own, user: {tokenFile: $secrets/token}}]
EOF
mkfifo /tmp/input
sleep infinity > /tmp/input &
exec python3 -m pytest_daemonset.reference --kubeconfig /tmp/kubeconfig "$@" < /tmp/input
