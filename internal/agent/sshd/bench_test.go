package sshd

import (
	"io"
	"testing"

	"golang.org/x/crypto/ssh"
)

// BenchmarkLogin measures a connection from its first byte to the end of
// authentication, including the client's part:
//
//	go test -run '^$' -bench . ./internal/agent/sshd
func BenchmarkLogin(b *testing.B) {
	ts := serve(b, nil)
	config := ts.config("dev", ssh.PublicKeys(ts.key))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			client, err := ssh.Dial("tcp", ts.address, config)
			if err != nil {
				b.Error(err)
				return
			}
			client.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "logins/s")
}

// BenchmarkCommand measures one command over an existing connection.
func BenchmarkCommand(b *testing.B) {
	ts := serve(b, nil)
	client := ts.dial()
	for b.Loop() {
		session, err := client.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		if err := session.Run("exit 0"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStream measures the output of one command, including the client's
// part.
func BenchmarkStream(b *testing.B) {
	ts := serve(b, nil)
	session := ts.session(ts.dial())
	out, err := session.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := session.Start("cat /dev/zero"); err != nil {
		b.Fatal(err)
	}
	const chunk = 1 << 20
	b.SetBytes(chunk)
	for b.Loop() {
		if _, err := io.CopyN(io.Discard, out, chunk); err != nil {
			b.Fatal(err)
		}
	}
}
