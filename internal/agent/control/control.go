// Package control is a box's second port: HTTPS for the kubelet's probes, and
// for what the operator tells the agent. Both sides of it are here.
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
	// checkTimeout is shorter than what a kubelet waits, so that the probe's
	// answer says what is wrong.
	checkTimeout = 2 * time.Second
	// A client has no more to send than one line and a few headers.
	requestTimeout = 5 * time.Second
	// stopTimeout is how long requests may take to be answered when the agent
	// stops.
	stopTimeout    = 2 * time.Second
	maxHeaderBytes = 16 << 10
)

// Server answers on the control port.
type Server struct {
	// Key is that of the certificate.
	Key ed25519.PrivateKey
	// Check reports what keeps the box from being used.
	Check func(context.Context) error
	// Token is the bearer token of the operator. Empty: it is told nothing.
	Token string
	// SetAuthorizedKeys replaces the keys that may log in.
	SetAuthorizedKeys func(text []byte)
	// Poll takes instructions and reports.
	Poll func(agentapi.Instructions) agentapi.Report
	// Drain refuses new sessions if the box has been idle, or, where it is to be
	// released, refuses them no longer, and reports either
	// way.
	Drain  func(context.Context, agentapi.Drain) (drained bool, report agentapi.Report)
	Logger *slog.Logger
}

// Serve answers until ctx ends.
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
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		// Handshakes that fail are port scans.
		ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(ended)
		shutDown(ctx, server)
	})()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
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
	mux.HandleFunc("GET "+agentapi.HealthPath, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		if err := s.Check(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
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
	// Any box would be idle for so long.
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

// maxMessage bounds what either side reads of the other.
const maxMessage = 64 << 10

// decode reads a request's body. What is unknown in it is of a newer operator,
// and ignored.
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
	_ = json.NewEncoder(w).Encode(report) // it fails if nobody listens any more
}

// operatorOnly lets in who has the token. Digests are compared, so that the
// time tells nothing about it, not even its length.
func (s *Server) operatorOnly(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + s.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if s.Token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			http.Error(w, "only the operator may do that", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
