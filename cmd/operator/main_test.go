package main

import (
	"strings"
	"testing"

	"devserver.io/devserver/internal/operator"
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
