package policy

import (
	"testing"

	devv1 "devserver.io/devserver/api/v1"
)

func TestServiceRefused(t *testing.T) {
	const dns, scheme = "external-dns.alpha.kubernetes.io/hostname", "service.beta.kubernetes.io/aws-load-balancer-scheme"
	byDefault := Services{Types: DefaultServiceTypes()}
	widened := Services{Types: []devv1.SSHServiceType{devv1.SSHServiceLoadBalancer}, Annotations: []string{scheme, "example.com/pool"}}
	for name, tc := range map[string]struct {
		allowed Services
		service devv1.SSHServiceSpec
		want    string
	}{
		"no type":         {allowed: byDefault},
		"NodePort":        {allowed: byDefault, service: devv1.SSHServiceSpec{Type: devv1.SSHServiceNodePort}},
		"ClusterIP":       {allowed: byDefault, service: devv1.SSHServiceSpec{Type: devv1.SSHServiceClusterIP}},
		"None":            {allowed: byDefault, service: devv1.SSHServiceSpec{Type: devv1.SSHServiceNone}},
		"allowed by name": {allowed: widened, service: devv1.SSHServiceSpec{Type: devv1.SSHServiceLoadBalancer, Annotations: map[string]devv1.AnnotationValue{scheme: "internal"}}},
		"LoadBalancer": {
			allowed: byDefault, service: devv1.SSHServiceSpec{Type: devv1.SSHServiceLoadBalancer},
			want: "spec.ssh.service.type must be NodePort, ClusterIP or None in this cluster, not LoadBalancer. Change it, or ask an admin to allow it.",
		},
		"no type, and NodePort is not allowed": {
			allowed: widened,
			want:    "spec.ssh.service.type must be LoadBalancer in this cluster, not NodePort. Change it, or ask an admin to allow it.",
		},
		"annotation": {
			allowed: byDefault, service: devv1.SSHServiceSpec{Annotations: map[string]devv1.AnnotationValue{dns: "login.example.com"}},
			want: "spec.ssh.service.annotations must not contain " + dns + " in this cluster, which allows none. Remove it, or ask an admin to allow it.",
		},
		"annotations beside one that is allowed": {
			allowed: widened, service: devv1.SSHServiceSpec{Type: devv1.SSHServiceLoadBalancer, Annotations: map[string]devv1.AnnotationValue{"z": "", scheme: "internal", dns: ""}},
			want: "spec.ssh.service.annotations must not contain " + dns + ", z in this cluster, which allows " + scheme + " and example.com/pool. Remove it, or ask an admin to allow it.",
		},
	} {
		if got := tc.allowed.Refused(tc.service); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
