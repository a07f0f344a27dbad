package status

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/printable"
)

// recent is how long a disruption is reported at login.
const recent = 24 * time.Hour

// Notice is what people who log in should know about the server, one line for each
// fact; empty for none.
func Notice(d *devv1.DevServer, p policy.Policy, now time.Time) string {
	var lines []string
	s := d.Status
	if was := s.LastDisruption; was != nil && was.Time != nil && now.Sub(was.Time.Time) < recent {
		lines = append(lines, fmt.Sprintf("This server was interrupted at %s: %s", policy.Clock(was.Time.Time), was.Message))
	}
	if s.ExpiresAt != nil {
		lines = append(lines, fmt.Sprintf("This server expires at %s.", policy.Clock(s.ExpiresAt.Time)))
	}
	if p.IdleTimeout > 0 {
		lines = append(lines, fmt.Sprintf("It is suspended after being idle for %s.", policy.Short(p.IdleTimeout)))
	}
	if meta.IsStatusConditionTrue(s.Conditions, devv1.ConditionRestartPending) {
		lines = append(lines, "Its flavor or the operator has changed since it started. To apply that: devctl restart.")
	}
	for i := range lines {
		lines[i] = printable.Prose(lines[i], 0)
	}
	return strings.Join(lines, "\n")
}
