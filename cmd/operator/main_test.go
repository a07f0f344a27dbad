package main

import (
	"strings"
	"testing"
	"time"

	"devserver.io/devserver/internal/operator"
	"devserver.io/devserver/internal/operator/agentupdate"
	"devserver.io/devserver/internal/operator/controller/devserver"
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
