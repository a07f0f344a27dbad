package gateway

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/hostile"
	"devserver.io/devserver/internal/testing/sshserver"
)

// hostileArgs are the arguments of the gateway's commands. A new command has none: give it
// some that make it print as much as it can.
var hostileArgs = map[string][]string{
	"list":  {""},
	"start": {"trainer.team", "nonsense", "trainer.team " + hostile.Text},
	"keep":  {"trainer.team 6h", "trainer.team end", "trainer.team " + hostile.Text, "nonsense 6h"},
	"why":   {"trainer.team", "nonsense"},
	"help":  {""},
}

// TestNoAnswerAttacksTheTerminal runs every command of the gateway, and a login, with
// servers whose every string is hostile.
func TestNoAnswerAttacksTheTerminal(t *testing.T) {
	typed := []string{"", hostile.Text}
	for _, c := range commands() {
		args, ok := hostileArgs[c.name]
		if !ok {
			t.Fatalf("hostileArgs has no arguments for %s", c.name)
		}
		for _, a := range args {
			typed = append(typed, c.name+" "+a)
		}
	}
	for name, shape := range map[string]func(*devserverv1.DevServer){
		"everything": func(*devserverv1.DevServer) {},
		"pending":    func(ds *devserverv1.DevServer) { pending(ds, hostile.Text) },
		"running": func(ds *devserverv1.DevServer) {
			pending(ds, hostile.Text)
			ds.Status.Phase, ds.Status.PodIP = devserverv1.PhaseRunning, "10.0.0.1"
			for _, kind := range []string{devserverv1.ConditionHomeFull, devserverv1.ConditionRestartPending, devserverv1.ConditionActive} {
				ds.Status.Conditions = append(ds.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: hostile.Text, Message: hostile.Text})
			}
		},
		"suspended": func(ds *devserverv1.DevServer) {
			pending(ds, hostile.Text)
			ds.Status.Phase, ds.Status.Conditions[0].Reason = devserverv1.PhaseSuspended, devserverv1.ReasonIdle
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(s *server) { s.patience = patience{wake: 100 * time.Millisecond, between: 10 * time.Millisecond} })
			w.edited = func(types.NamespacedName) error {
				return apierrors.NewBadRequest(hostile.Text)
			}
			key := sshserver.NewKey(t)
			ds, other := &devserverv1.DevServer{}, &devserverv1.DevServer{}
			for _, server := range []*devserverv1.DevServer{ds, other} {
				hostile.Fill(server)
				server.Spec.SSH.PublicKeys = lines(key)
			}
			ds.Name, ds.Namespace = "trainer", "team"
			shape(ds)
			w.put(ds)
			w.put(other) // with a hostile name
			client, err := w.login(t, nil, key)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			shown := false
			for _, line := range typed {
				for _, terminal := range []bool{false, true} {
					text := answer(t, client, line, terminal)
					shown = shown || strings.Contains(text, "title")
					if terminal {
						text = strings.ReplaceAll(text, "\r\n", "\n")
					}
					for _, fault := range hostile.Faults(text, "") {
						t.Errorf("%q: %s", line, fault)
					}
				}
			}
			_, _, err = client.OpenChannel("direct-tcpip", ssh.Marshal(target{Host: "trainer.team", Port: 22}))
			refusal, ok := errors.AsType[*ssh.OpenChannelError](err)
			if !ok {
				t.Fatalf("the tunnel: got %v, want a refusal", err)
			}
			for _, fault := range hostile.Faults(refusal.Message, "") {
				t.Errorf("the refusal of a tunnel: %s", fault)
			}
			if !shown {
				t.Error("no answer has a text of a server: this tests nothing")
			}
		})
	}
}

// answer runs a command of the gateway and returns all that it prints.
func answer(t *testing.T, client *ssh.Client, line string, terminal bool) string {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var out, errOut bytes.Buffer
	session.Stdout, session.Stderr = &out, &errOut
	if terminal {
		if err := session.RequestPty("xterm", 24, 80, nil); err != nil {
			t.Fatal(err)
		}
	}
	if line == "" {
		if err = session.Shell(); err == nil {
			err = session.Wait()
		}
	} else {
		err = session.Run(line)
	}
	if _, ok := errors.AsType[*ssh.ExitError](err); err != nil && !ok {
		t.Errorf("%q: %v", line, err)
	}
	return out.String() + errOut.String()
}

// TestAnAnswerThatForgetsIsGuarded: text that no command has made printable cannot act on
// the terminal either.
func TestAnAnswerThatForgetsIsGuarded(t *testing.T) {
	var out bytes.Buffer
	(&session{}).write(&out, strings.ReplaceAll(hostile.Text, "\n", ""))
	for _, fault := range hostile.Faults(out.String(), "\t") {
		t.Error(fault)
	}
}
