package main

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator"
	"devserver.io/devserver/internal/operator/agentupdate"
	"devserver.io/devserver/internal/operator/controller/devserver"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/version"
)

func TestGatewayFlags(t *testing.T) {
	for words, g := range map[string]operator.Gateway{
		"":                          {},
		"require --gateway-service": {Host: "ssh.example.com"},
		"70000: a port must":        {Service: "devserver-gateway", Port: 70000},
		"-1: a port must":           {Service: "devserver-gateway", Port: -1},
	} {
		if err := checkGateway(g); (err == nil) != (words == "") || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: %v, want %q", g, err, words)
		}
	}
	if err := checkGateway(operator.Gateway{Service: "devserver-gateway", HostKeySecret: "ours", Host: "ssh.example.com", Port: 22, Only: true}); err != nil {
		t.Error(err)
	}
}

func TestAgentFlags(t *testing.T) {
	for words, p := range map[string]agentupdate.Policy{
		"":                        {Mode: agentupdate.WhenIdle, Deadline: time.Hour},
		`"" is not OnRestart`:     {Deadline: time.Hour},
		`"Never" is not`:          {Mode: "Never", Deadline: time.Hour},
		"30s is less than a minu": {Mode: agentupdate.Always, Deadline: 30 * time.Second},
	} {
		if err := checkAgents(devserver.Agents{Update: p}); (err == nil) != (words == "") || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: %v, want %q", p, err, words)
		}
	}
}

func TestServiceFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		args  []string
		want  policy.Services
		words string
	}{
		"without flags":   {want: policy.Services{Types: policy.DefaultServiceTypes()}},
		"as in the chart": {args: []string{"--ssh-service-types=ClusterIP,LoadBalancer", "--ssh-service-annotations=example.com/a,b"}, want: policy.Services{Types: []devv1.SSHServiceType{"ClusterIP", "LoadBalancer"}, Annotations: []string{"example.com/a", "b"}}},
		"unknown type":    {args: []string{"--ssh-service-types=NodePort,Ingress"}, words: `"Ingress" is not NodePort`},
		"no type":         {args: []string{"--ssh-service-types="}, words: "requires at least one type"},
	} {
		var got policy.Services
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		serviceFlags(flags, &got)
		if err := flags.Parse(tc.args); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := checkServices(got); tc.words != "" {
			if err == nil || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("%s: %v, want %q", name, err, tc.words)
			}
		} else if err != nil || !slices.Equal(got.Types, tc.want.Types) || !slices.Equal(got.Annotations, tc.want.Annotations) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, tc.want)
		}
	}
}

// Without flags, nodes never pull the images, whose names begin with a domain that is no
// registry.
func TestImageFlags(t *testing.T) {
	agent, server := "devserver.io/agent:"+version.Version, "devserver.io/server:"+version.Version
	for name, tc := range map[string]struct {
		args  []string
		want  devserver.Config
		words string
	}{
		"without flags": {want: devserver.Config{AgentImage: agent, AgentImagePullPolicy: corev1.PullNever, DefaultImage: server, DefaultImagePullPolicy: corev1.PullNever}},
		"as in the chart": {
			args: []string{"--agent-image=example.com/a:1", "--agent-image-pull-policy=IfNotPresent", "--default-image=example.com/s:1"},
			want: devserver.Config{AgentImage: "example.com/a:1", AgentImagePullPolicy: corev1.PullIfNotPresent, DefaultImage: "example.com/s:1"},
		},
		"agent alone": {
			args: []string{"--agent-image=example.com/a:1"},
			want: devserver.Config{AgentImage: "example.com/a:1", DefaultImage: server, DefaultImagePullPolicy: corev1.PullNever},
		},
		"unknown policy":          {args: []string{"--agent-image=a", "--agent-image-pull-policy=Sometimes"}, words: `"Sometimes" is not Always`},
		"policy without an image": {args: []string{"--agent-image-pull-policy=Always"}, words: "requires --agent-image"},
	} {
		var got devserver.Config
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		imageFlags(flags, &got)
		if err := flags.Parse(tc.args); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := completeImages(&got); tc.words != "" {
			if err == nil || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("%s: %v, want %q", name, err, tc.words)
			}
		} else if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}
