package status

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// recent is how long a disruption is told at login.
const recent = 24 * time.Hour

// Notice is what somebody who logs in should know of the box, a line for each
// thing; empty for nothing.
func Notice(d *devv1.DevServer, p lifecycle.Policy, now time.Time) string {
	var lines []string
	s := d.Status
	if was := s.LastDisruption; was != nil && was.Time != nil && now.Sub(was.Time.Time) < recent {
		lines = append(lines, fmt.Sprintf("This server was interrupted at %s: %s", lifecycle.Clock(was.Time.Time), was.Message))
	}
	if s.ExpiresAt != nil {
		lines = append(lines, fmt.Sprintf("This server expires at %s.", lifecycle.Clock(s.ExpiresAt.Time)))
	}
	if p.IdleTimeout > 0 {
		lines = append(lines, fmt.Sprintf("It is suspended after %s without work.", lifecycle.Short(p.IdleTimeout)))
	}
	if meta.IsStatusConditionTrue(s.Conditions, devv1.ConditionRestartPending) {
		lines = append(lines, "Its flavor or the operator changed since it started: a restart takes that up.")
	}
	return strings.Join(lines, "\n")
}
