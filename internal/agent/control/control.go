// Package control serves an agent's control endpoint, HTTPS on a port of its own, to
// the kubelet's probes and to the operator. Package agentapi defines the requests.
package control

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"devserver.io/devserver/internal/agentapi"
)

const (
	// requestTimeout and maxHeaderBytes are ample for requests of the kubelet and the
	// operator.
	requestTimeout = 5 * time.Second
	// stopTimeout is how long requests may take to be answered when the agent
	// stops.
	stopTimeout    = 2 * time.Second
	maxHeaderBytes = 16 << 10
)

// Server is the control endpoint.
type Server struct {
	// Key is the key of the certificate.
	Key ed25519.PrivateKey
	// Check returns an error if the server cannot be used. Any client can request a
	// check, so requests within a second share one.
	Check func(context.Context) error
	// Token is the operator's bearer token. If it is empty, every request that requires
	// it is refused.
	Token string
	// SetAuthorizedKeys replaces the keys that may log in.
	SetAuthorizedKeys func(text []byte)
	// Poll follows instructions, and returns a report.
	Poll func(agentapi.Instructions) agentapi.Report
	// Drain begins to refuse new sessions if the server has been idle, or ends that
	// for a release. It returns whether it did so, and a report.
	Drain  func(context.Context, agentapi.Drain) (drained bool, report agentapi.Report)
	Logger *slog.Logger
}

// Serve serves requests until ctx ends.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	certificate, err := selfSigned(s.Key)
	if err != nil {
		return err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: s.handler(),
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS13,
			Certificates: []tls.Certificate{certificate},
		},
		Protocols:         protocols,
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// Failed handshakes are mostly those of port scans.
		ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
	}
	server.SetKeepAlivesEnabled(false)
	ended := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(ended)
		shutDown(ctx, server)
	})()
	if err := server.ServeTLS(newLimited(listener), "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the control endpoint: %w", err)
	}
	<-ended
	return nil
}

// shutDown answers the requests that have arrived, within stopTimeout.
func shutDown(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+agentapi.HealthPath, &health{server: s})
	mux.Handle("PUT "+agentapi.AuthorizedKeysPath, s.operatorOnly(http.HandlerFunc(s.putAuthorizedKeys)))
	mux.Handle("POST "+agentapi.PollPath, s.operatorOnly(http.HandlerFunc(s.poll)))
	mux.Handle("POST "+agentapi.DrainPath, s.operatorOnly(http.HandlerFunc(s.drain)))
	return mux
}

func (s *Server) putAuthorizedKeys(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, agentapi.MaxSecretBytes))
	if err != nil {
		http.Error(w, "the keys cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.SetAuthorizedKeys(text)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) poll(w http.ResponseWriter, r *http.Request) {
	var instructions agentapi.Instructions
	if !decode(w, r, &instructions) {
		return
	}
	answer(w, http.StatusOK, s.Poll(instructions))
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) {
	var drain agentapi.Drain
	if !decode(w, r, &drain) {
		return
	}
	// Every server has been idle for 0 seconds.
	if drain.IdleSeconds <= 0 && !drain.Release {
		http.Error(w, "idleSeconds must be more than 0", http.StatusBadRequest)
		return
	}
	drained, report := s.Drain(r.Context(), drain)
	if drained {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, http.StatusConflict, report)
}

// maxMessage bounds a request of the operator's, in bytes.
const maxMessage = 64 << 10

// decode decodes a request's body. It ignores unknown fields, which a newer operator
// may send. If the body is not valid, it answers the request and returns false.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxMessage)).Decode(into); err != nil {
		http.Error(w, "the request cannot be read: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, code int, report agentapi.Report) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(report) // It fails if the client has closed the connection.
}

// operatorOnly refuses requests without the token. It compares digests, so that the
// time that takes does not reveal the token, or its length.
func (s *Server) operatorOnly(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + s.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if s.Token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			http.Error(w, "this requires the operator's token", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
