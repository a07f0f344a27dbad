package why

import (
	"fmt"

	devserverv1 "devserver.io/devserver/api/v1"
)

// remedy is something that the person can do: words, and the line to type, of
// which NAME, NAMESPACE and OTHER stand for what they say.
type remedy struct{ words, verb, rest string }

// Remedies that several causes have.
var (
	start   = remedy{"Start it:", "start", ""}
	edit    = remedy{"Mend that in the DevServer:", "edit", ""}
	resize  = remedy{"Let it have another flavor:", "resize", "--flavor FLAVOR"}
	restart = remedy{"Restart it, which ends all that runs in it:", "restart", ""}
	logs    = remedy{"See what it said:", "logs", ""}
	last    = remedy{"See what it said before it ended:", "logs", "--previous"}
	flavors = remedy{"See which flavors there are, and what fits now:", "flavors", ""}
	others  = remedy{"See what else of yours runs, and stop what you do not need:", "list", ""}
	events  = remedy{"See what happened:", "events", ""}
	admin   = remedy{words: "This is for the admin of the cluster to mend: show them the above."}
)

// remedies are what can be done for each reason of the Ready condition.
var remedies = map[string][]remedy{
	devserverv1.ReasonStarting:             {{"Watch it:", "wait", ""}},
	devserverv1.ReasonRestarting:           {{"Watch it:", "wait", ""}},
	devserverv1.ReasonSuspended:            {start},
	devserverv1.ReasonIdle:                 {start},
	devserverv1.ReasonScheduled:            {start},
	devserverv1.ReasonExpired:              {start},
	devserverv1.ReasonFlavorNotFound:       {flavors, resize},
	devserverv1.ReasonClaimNotFound:        {{"See which claims there are:", "claims", ""}, edit},
	devserverv1.ReasonClaimNotBound:        {{"See which claims there are:", "claims", ""}, admin},
	devserverv1.ReasonClaimInUse:           {others},
	devserverv1.ReasonVolumeConflict:       {edit},
	devserverv1.ReasonImageNotAllowed:      {edit, flavors},
	devserverv1.ReasonHomeSizeNotAllowed:   {edit, flavors},
	devserverv1.ReasonLifecycleNotAllowed:  {edit},
	devserverv1.ReasonInvalidSchedule:      {edit},
	devserverv1.ReasonInvalidKey:           {edit},
	devserverv1.ReasonInvalidFlavor:        {flavors, resize, admin},
	devserverv1.ReasonHomeConflict:         {{words: "Give your server another name, or ask the admin to hand that home directory over."}},
	devserverv1.ReasonObjectConflict:       {{words: "Give your server another name, or remove that object if it is yours."}},
	devserverv1.ReasonNodePortsExhausted:   {{"Do without a port of the nodes (spec.ssh.service.type: ClusterIP), and be reached through the API server:", "edit", ""}},
	devserverv1.ReasonRefused:              {admin},
	devserverv1.ReasonUnschedulable:        {flavors, resize, others},
	devserverv1.ReasonQuotaExceeded:        {others, resize, {words: "Or ask the admin for more."}},
	devserverv1.ReasonAdmissionRefused:     {admin},
	devserverv1.ReasonPodNotCreated:        {admin},
	devserverv1.ReasonImagePullFailed:      {{"Check the name of the image, and, for a private one, spec.imagePullSecrets:", "edit", ""}},
	devserverv1.ReasonVolumeNotIdmappable:  {resize, admin},
	devserverv1.ReasonContainerConfigError: {events, admin},
	devserverv1.ReasonPrepareFailed:        {logs, admin},
	devserverv1.ReasonCrashLoop:            {last, edit},
	devserverv1.ReasonOOMKilled:            {resize, last},
	devserverv1.ReasonVolumeFailed:         {events, admin},
	devserverv1.ReasonEvicted:              {{"Nothing has to be done. See what happened:", "events", ""}},
	devserverv1.ReasonNodeLost:             {admin},
	devserverv1.ReasonPodFailed:            {events},
	devserverv1.ReasonNotAnswering:         {logs, restart},
}

// advice is what the person can do.
func advice(f facts) part {
	p := part{title: "What you can do"}
	s := f.devServer.Status
	if s.Phase == devserverv1.PhaseTerminating {
		return p
	}
	if s.Phase != devserverv1.PhaseRunning {
		for _, r := range remedies[f.reason()] {
			f.offer(&p, r)
		}
		return p
	}
	f.offer(&p, remedy{"Log in:", "ssh", ""})
	if s.SuspendsAt != nil {
		f.offer(&p, remedy{"Type anything in it, or keep it for a while, whatever it does:", "keep", "6h"})
	}
	if s.ExpiresAt != nil {
		f.offer(&p, remedy{"Let it live longer:", "extend", "6h"})
	}
	if f.is(devserverv1.ConditionRestartPending) {
		f.offer(&p, restart)
	}
	if f.is(devserverv1.ConditionHomeFull) {
		f.offer(&p, remedy{"Make room in its home directory, or enlarge it, which restarts nothing:", "resize", "--home-size SIZE"})
	}
	return p
}

// offer writes a remedy down.
func (f facts) offer(p *part, r remedy) {
	p.say("%s", r.words)
	switch r.verb {
	case "":
	case "edit":
		p.do(fmt.Sprintf("kubectl edit devserver %s -n %s", f.devServer.Name, f.devServer.Namespace))
	case "claims":
		p.do("kubectl get persistentvolumeclaims -n " + f.devServer.Namespace)
	case "flavors":
		p.do("devctl flavors")
	case "list":
		p.do("devctl list -n " + f.devServer.Namespace)
	default:
		p.do(f.command(r.verb, r.rest))
	}
}
