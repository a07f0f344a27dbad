package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/index/db.json" {
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	vulnerable := errors.New("vulnerabilities")
	for name, tc := range map[string]struct {
		db    string
		err   error
		ran   bool
		words string
	}{
		"reached":                 {db: server.URL + "/", ran: true},
		"reached, and vulnerable": {db: server.URL, ran: true, err: vulnerable},
		"not reached":             {db: closed.URL, err: vulnerable, words: "Not checking for known vulnerabilities: the database cannot be reached"},
		"not a database":          {db: server.URL + "/elsewhere", err: vulnerable, words: "answers 404 Not Found"},
	} {
		var out strings.Builder
		ran := false
		err := check(t.Context(), tc.db, &out, func() error {
			ran = true
			return tc.err
		})
		if ran != tc.ran || (ran && !errors.Is(err, tc.err)) || (!ran && err != nil) {
			t.Errorf("%s: govulncheck ran: %t, %v", name, ran, err)
		}
		if !strings.Contains(out.String(), tc.words) || (tc.words == "") != (out.Len() == 0) {
			t.Errorf("%s: printed %q, want %q", name, out.String(), tc.words)
		}
	}
}
