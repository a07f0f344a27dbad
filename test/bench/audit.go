package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// audit reads the API server's audit log from where it ended when the
// measurement began.
type audit struct {
	file  *os.File
	begun bool   // the line that was being written at the start has been skipped
	rest  []byte // the beginning of an incomplete line
	all   []auditEvent
}

type auditEvent struct {
	Stage string    `json:"stage"`
	At    time.Time `json:"stageTimestamp"`
	Verb  string    `json:"verb"`
	URI   string    `json:"requestURI"`
	User  struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

func openAudit(path string) (*audit, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return &audit{file: file, begun: true}, err
	}
	// Start at the end of the last line, which may not be complete yet.
	_, err = file.Seek(-1, io.SeekEnd)
	return &audit{file: file}, err
}

// callCount counts calls by verb and resource, such as "patch services".
type callCount map[string]int

// callsFor counts a user's calls for one server, from its creation until the write that
// made it Running. That write must have happened already; callsFor waits for it to
// appear in the log.
func (a *audit) callsFor(ctx context.Context, user, ns, server string) (callCount, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("the audit log has no call of %s for %s", user, server))
	defer cancel()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for {
		if err := a.read(); err != nil {
			return nil, err
		}
		n := callCount{}
		for _, e := range a.all {
			if e.User.Username == user && e.ObjectRef.Namespace == ns && belongs(e.ObjectRef.Name, server) {
				n[e.what()]++
			}
		}
		if n["patch devservers/status"]+n["update devservers/status"] > 0 {
			return n, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-pace.C:
		}
	}
}

func (a *audit) read() error {
	chunk, err := io.ReadAll(a.file)
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	lines := bytes.Split(append(a.rest, chunk...), []byte("\n"))
	a.rest = slices.Clone(lines[len(lines)-1])
	lines = lines[:len(lines)-1]
	if !a.begun && len(lines) > 0 {
		lines, a.begun = lines[1:], true
	}
	for _, line := range lines {
		var e auditEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("a line of the audit log: %w", err)
		}
		if e.Stage == "ResponseComplete" {
			a.all = append(a.all, e)
		}
	}
	return nil
}

func (e auditEvent) what() string {
	resource := e.ObjectRef.Resource
	if resource == "" {
		resource = e.URI // For example, API discovery.
	}
	if e.ObjectRef.Subresource != "" {
		resource += "/" + e.ObjectRef.Subresource
	}
	if e.ResponseStatus.Code >= 400 {
		return fmt.Sprintf("%s %s: %d", e.Verb, resource, e.ResponseStatus.Code)
	}
	return e.Verb + " " + resource
}

// belongs reports whether a name is that of the server or of one of its objects.
func belongs(object, server string) bool {
	return object == server || strings.HasPrefix(object, server+"-") || object == "home-"+server+"-0"
}

// reportCalls adds the number of writing and reading calls per server to the report.
func reportCalls(r *report, calls []callCount) {
	if len(calls) == 0 {
		return
	}
	var writes, reads []float64
	kinds := map[string]int{}
	for _, n := range calls {
		w, g := 0, 0
		for what, times := range n {
			kinds[what] += times
			if strings.HasPrefix(what, "get ") || strings.HasPrefix(what, "list ") {
				g += times
			} else {
				w += times
			}
		}
		writes, reads = append(writes, float64(w)), append(reads, float64(g))
	}
	var note []string
	for what, times := range kinds {
		note = append(note, fmt.Sprintf("%s %.2g", what, float64(times)/float64(len(calls))))
	}
	slices.Sort(note)
	r.add(result{Target: "start", Name: "operator's writing calls per server", Values: writes, Goal: 6, Note: strings.Join(note, ", ")})
	r.add(result{Target: "start", Name: "operator's reading calls per server", Values: reads})
}
