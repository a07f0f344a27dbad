package describe

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/utils/ptr"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/events"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/explain"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/printable"
	"devserver.io/devserver/internal/serverstate"
	"devserver.io/devserver/internal/sshkeys"
)

// page is text in two columns, with sections that are indented.
type page struct {
	out    io.Writer
	indent string
}

func (p *page) field(name, format string, args ...any) {
	name, value := printable.Line(name, 0), printable.Sprintf(format, args...)
	if name != "" { // Without a name, the value belongs to the field before.
		name += ":"
	}
	output.Printf(p.out, "%s%s\t%s\n", p.indent, name, output.OrNone(value))
}

// section writes a title, and its fields indented.
func (p *page) section(name string, write func()) {
	output.Printf(p.out, "%s:\n", name)
	p.indent = "  "
	write()
	p.indent = ""
}

// write writes the page.
func (s seen) write(w io.Writer) error {
	out := printers.GetNewTabWriter(w)
	p := &page{out: out}
	s.head(p)
	p.section("SSH", func() { s.ssh(p) })
	p.section("Home", func() { s.home(p) })
	if ds := s.devServer; ds.Spec.SharedVolumeClaimName != "" || len(ds.Spec.Volumes) > 0 {
		p.section("Volumes", func() { s.volumes(p) })
	}
	if env := s.devServer.Spec.Env; len(env) > 0 {
		p.section("Environment", func() {
			for _, v := range env {
				p.field(v.Name, "%s", v.Value)
			}
		})
	}
	p.section("Lifecycle", func() { s.lifecycle(p) })
	if err := out.Flush(); err != nil {
		return err
	}
	if err := table(w, "Conditions", s.conditions()); err != nil {
		return err
	}
	return table(w, "Events", s.recent())
}

// table writes a section with columns of its own.
func table(w io.Writer, name string, rows [][]string) error {
	out := printers.GetNewTabWriter(w)
	if len(rows) == 1 { // Only the names of the columns.
		output.Printf(out, "%s:\t%s\n", name, output.OrNone(""))
		return out.Flush()
	}
	output.Printf(out, "%s:\n", name)
	for _, cells := range rows {
		for i := range cells {
			cells[i] = printable.Line(cells[i], 0)
		}
		output.Lines(out, "  "+strings.Join(cells, "\t")+"\n")
	}
	return out.Flush()
}

func (s seen) head(p *page) {
	ds := s.devServer
	p.field("Name", "%s", ds.Name)
	p.field("Namespace", "%s", ds.Namespace)
	p.field("Owner", "%s", ds.Spec.Owner)
	p.field("Created", "%s", s.past(ds.CreationTimestamp.Time))
	p.field("Phase", "%s", ds.Status.Phase)
	if ds.Status.ObservedGeneration < ds.Generation {
		p.field("Edited", "the operator has not looked at the latest edit yet")
	}
	p.field("Flavor", "%s", s.flavorText())
	image := ds.Spec.Image
	if image == "" && s.flavor != nil && s.flavor.Spec.Image != "" {
		image = s.flavor.Spec.Image + " (the flavor's)"
	}
	p.field("Image", "%s", cmp.Or(image, "the cluster's default"))
	p.field("Node", "%s", ds.Status.NodeName)
	if ds.Status.StartedAt != nil {
		p.field("Started", "%s", s.past(ds.Status.StartedAt.Time))
	}
}

// flavorText is the flavor with its resources.
func (s seen) flavorText() string {
	name := cmp.Or(s.devServer.Status.Flavor, s.devServer.Spec.Flavor)
	if s.flavor == nil {
		return name
	}
	amounts := maps.Clone(s.flavor.Spec.Resources.Requests)
	if amounts == nil {
		amounts = corev1.ResourceList{}
	}
	maps.Copy(amounts, s.flavor.Spec.Resources.Limits)
	var parts []string
	for _, resource := range slices.Sorted(maps.Keys(amounts)) {
		quantity := amounts[resource]
		parts = append(parts, fmt.Sprintf("%s %s", quantity.String(), resource))
	}
	if len(parts) == 0 {
		return name
	}
	return fmt.Sprintf("%s (%s)", name, strings.Join(parts, ", "))
}

func (s seen) ssh(p *page) {
	ds := s.devServer
	if ssh := ds.Status.SSH; ssh != nil {
		p.field("Command", "%s", ssh.Command)
		if ssh.Host != "" {
			p.field("Address", "%s port %d", ssh.Host, ssh.Port)
		}
		p.field("Host key", "%s", keyText(ssh.HostKey))
	}
	p.field("Service", "%s", ds.Spec.SSH.Service.Type)
	keys := ds.Spec.SSH.PublicKeys
	if ds.Spec.SSH.PublicKey != "" {
		keys = append([]string{ds.Spec.SSH.PublicKey}, keys...)
	}
	name := "Keys"
	for _, key := range keys {
		p.field(name, "%s", keyText(key))
		name = "" // The next key belongs to the same field.
	}
	if s.user == nil {
		p.field(name, "and those of its owner's DevServerUser, if one exists, which only admins can read")
		return
	}
	for _, key := range s.user.Spec.PublicKeys {
		p.field(name, "%s (of DevServerUser %s)", keyText(key), s.user.Name)
	}
}

// keyText is a public key as ssh-keygen -l shows it, with its comment.
func keyText(line string) string {
	if line == "" {
		return ""
	}
	key, comment, err := sshkeys.ParseAuthorized(line)
	if err != nil {
		return "not usable: " + err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", sshkeys.Fingerprint(key), key.Type(), comment))
}

func (s seen) home(p *page) {
	ds := s.devServer
	if ds.Spec.Home != nil && ds.Spec.Home.Ephemeral {
		p.field("Kind", "ephemeral: it is empty after each start")
		return
	}
	p.field("Size", "%s requested", ds.Spec.PersistentHomeSize.String())
	if s.claim != nil {
		capacity := s.claim.Status.Capacity[corev1.ResourceStorage]
		class := ""
		if name := ptr.Deref(s.claim.Spec.StorageClassName, ""); name != "" {
			class = " of " + name
		}
		p.field("Claim", "%s, %s%s, %s", s.claim.Name, capacity.String(), class, s.claim.Status.Phase)
	} else if ds.Status.Home != nil {
		p.field("Claim", "%s", ds.Status.Home.ClaimName)
	}
	p.field("When deleted", "%s", serverstate.HomeFate(ds))
}

func (s seen) volumes(p *page) {
	spec := s.devServer.Spec
	if spec.SharedVolumeClaimName != "" {
		p.field("/shared", "claim %s", spec.SharedVolumeClaimName)
	}
	for _, v := range spec.Volumes {
		mode := ""
		if v.ReadOnly {
			mode = ", read-only"
		}
		p.field(v.MountPath, "claim %s%s", v.ClaimName, mode)
	}
}

// lifecycle is when the server stops by itself, and its activity.
func (s seen) lifecycle(p *page) {
	ds := s.devServer
	limits, complete := explain.Policy(ds, s.flavor)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Idle timeout", limits.IdleTimeout}, {"Time to live", limits.TimeToLive}, {"Delete after suspended", limits.DeleteAfter},
	} {
		switch {
		case d.value > 0:
			p.field(d.name, "%s", policy.Short(d.value))
		case complete:
			p.field(d.name, "none")
		}
	}
	if !complete {
		p.field("Cluster defaults", "not reported by the operator yet")
	}
	if schedule := limits.Schedule.Source(); schedule != nil {
		p.field("Schedule", "%s", scheduleText(*schedule))
	}
	st := ds.Status
	if st.Phase == devserverv1.PhaseRunning {
		p.field("Activity", "%s", explain.Facts{DevServer: ds, Flavor: s.flavor, Name: ds.Name, Now: s.now, Zone: s.zone}.Activity())
	}
	for _, t := range []struct {
		name string
		at   *metav1.Time
	}{
		{"Suspends", st.SuspendsAt}, {"Expires", st.ExpiresAt}, {"Suspended since", st.SuspendedAt}, {"Deleted at", st.DeletesAt},
	} {
		if t.at != nil {
			p.field(t.name, "%s", s.at(t.at.Time))
		}
	}
	if st.OOMKills > 0 {
		p.field("Killed for memory", "%d processes since its start", st.OOMKills)
	}
	if last := st.LastDisruption; last != nil && last.Time != nil {
		p.field("Last disruption", "%s at %s: %s", last.Reason, s.past(last.Time.Time), last.Message)
	}
	if s.flavor != nil {
		p.field("Grace period", "%s for its processes to end", policy.Short(time.Duration(limits.GraceSeconds)*time.Second))
	}
}

func scheduleText(s devserverv1.Schedule) string {
	var parts []string
	if s.Start != "" {
		parts = append(parts, "start "+s.Start)
	}
	if s.Stop != "" {
		parts = append(parts, "stop "+s.Stop)
	}
	return fmt.Sprintf("%s (%s)", strings.Join(parts, ", "), cmp.Or(s.TimeZone, "UTC"))
}

func (s seen) conditions() [][]string {
	rows := [][]string{{"TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"}}
	for _, c := range s.devServer.Status.Conditions {
		rows = append(rows, []string{c.Type, string(c.Status), s.age(c.LastTransitionTime.Time), c.Reason, c.Message})
	}
	return rows
}

// recent are the latest events, as kubectl shows them.
func (s seen) recent() [][]string {
	const most = 20
	rows := [][]string{{"AGE", "TYPE", "OBJECT", "REASON", "MESSAGE"}}
	for _, e := range s.events[max(0, len(s.events)-most):] {
		age := s.age(events.Last(&e))
		if count := events.Times(&e); count > 1 {
			age += fmt.Sprintf(" (x%d)", count)
		}
		object := strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name
		rows = append(rows, []string{age, e.Type, object, e.Reason, strings.Join(strings.Fields(e.Message), " ")})
	}
	return rows
}

func (s seen) at(t time.Time) string { return t.In(s.zone).Format(explain.TimeLayout) }

func (s seen) past(t time.Time) string { return fmt.Sprintf("%s (%s ago)", s.at(t), s.age(t)) }

func (s seen) age(t time.Time) string { return duration.HumanDuration(s.now.Sub(t)) }
