package explain

import (
	devserverv1 "devserver.io/devserver/api/v1"
)

// Action is something that a person can do about a server.
type Action int

// Actions.
const (
	// None is advice without a command.
	None Action = iota
	LogIn
	// Wake resumes a server that is suspended by its idle timeout or schedule.
	// Start starts one that its owner stopped, or that expired.
	Wake
	Start
	Wait
	KeepAwake
	Extend
	Restart
	ChangeFlavor
	ChangeHomeSize
	ChangeImage
	// Edit is for the fields that no other action changes.
	Edit
	ShowLogs
	ShowPreviousLogs
	ShowEvents
	ShowActivity
	ListFlavors
	ListServers
	ListClaims
	CheckCluster
	// Elsewhere shows what this person cannot do here.
	Elsewhere
)

// Commands are the lines to type for the actions that one person can take. An
// action that is missing is not offered.
type Commands map[Action]string

// remedy is advice, with the action that follows it.
type remedy struct {
	text   string
	action Action
}

// Remedies for several causes.
var (
	useOtherFlavor = remedy{"Use another flavor:", ChangeFlavor}
	listFlavors    = remedy{"List the flavors, and what fits now:", ListFlavors}
	stopOther      = remedy{"List your servers, and stop one that you do not need:", ListServers}
	showEvents     = remedy{"Show the events:", ShowEvents}
	showLogs       = remedy{"Show the log:", ShowLogs}
	showEnd        = remedy{"Show the log before it ended:", ShowPreviousLogs}
	listClaims     = remedy{"List the claims of the namespace:", ListClaims}
	askAdmin       = remedy{"Ask an admin of the cluster, and show them the message above.", None}
)

// remedies are what can be done for each reason of the Ready condition.
var remedies = map[string][]remedy{
	devserverv1.ReasonStarting:             {{"Follow its progress:", Wait}},
	devserverv1.ReasonRestarting:           {{"Follow its progress:", Wait}},
	devserverv1.ReasonSuspended:            {{"Start it:", Start}},
	devserverv1.ReasonIdle:                 {{"Start it:", Wake}},
	devserverv1.ReasonScheduled:            {{"Start it:", Wake}},
	devserverv1.ReasonExpired:              {{"Start it:", Start}},
	devserverv1.ReasonFlavorNotFound:       {listFlavors, useOtherFlavor},
	devserverv1.ReasonClaimNotFound:        {listClaims, {"Correct the name of the claim:", Edit}},
	devserverv1.ReasonClaimNotBound:        {listClaims, askAdmin},
	devserverv1.ReasonClaimInUse:           {{"Find the server that uses the claim, and stop it:", ListServers}},
	devserverv1.ReasonVolumeConflict:       {{"Change the mount paths:", Edit}},
	devserverv1.ReasonImageNotAllowed:      {{"Use an image that the flavor allows:", ChangeImage}, useOtherFlavor},
	devserverv1.ReasonServiceNotAllowed:    {{"Change spec.ssh.service to what the message allows:", Edit}, askAdmin},
	devserverv1.ReasonHomeSizeNotAllowed:   {{"Request a size that the flavor allows:", ChangeHomeSize}, useOtherFlavor},
	devserverv1.ReasonLifecycleNotAllowed:  {{"Change spec.lifecycle to what the flavor allows:", Edit}, useOtherFlavor},
	devserverv1.ReasonInvalidSchedule:      {{"Correct spec.lifecycle.schedule:", Edit}},
	devserverv1.ReasonInvalidKey:           {{"Replace the key:", Edit}},
	devserverv1.ReasonInvalidFlavor:        {listFlavors, useOtherFlavor, askAdmin},
	devserverv1.ReasonHomeConflict:         {{"Create the server with another name, or ask an admin to hand over the home directory.", None}},
	devserverv1.ReasonObjectConflict:       {{"Create the server with another name, or delete the object if it is yours.", None}},
	devserverv1.ReasonNodePortsExhausted:   {{"Use spec.ssh.service.type: ClusterIP, with which devctl ssh still works:", Edit}},
	devserverv1.ReasonRefused:              {askAdmin},
	devserverv1.ReasonUnschedulable:        {listFlavors, useOtherFlavor, stopOther},
	devserverv1.ReasonQuotaExceeded:        {stopOther, useOtherFlavor, {"Or ask an admin for a larger quota.", None}},
	devserverv1.ReasonAdmissionRefused:     {askAdmin},
	devserverv1.ReasonPodNotCreated:        {showEvents, askAdmin},
	devserverv1.ReasonImagePullFailed:      {{"If the name of the image is wrong, correct it:", ChangeImage}, {"If the image is private, set spec.imagePullSecrets:", Edit}},
	devserverv1.ReasonVolumeNotIdmappable:  {useOtherFlavor, askAdmin},
	devserverv1.ReasonContainerConfigError: {showEvents, askAdmin},
	devserverv1.ReasonContainerNotReady:    {showEvents, askAdmin},
	devserverv1.ReasonPrepareFailed:        {showLogs, askAdmin},
	devserverv1.ReasonCrashLoop:            {showEnd, {"If the image is the cause, use another one:", ChangeImage}},
	devserverv1.ReasonOOMKilled:            {{"Use a flavor with more memory:", ChangeFlavor}, showEnd},
	devserverv1.ReasonVolumeFailed:         {showEvents, askAdmin},
	devserverv1.ReasonEvicted:              {{"You do not have to do anything. Show the events:", ShowEvents}},
	devserverv1.ReasonNodeLost:             {askAdmin},
	devserverv1.ReasonPodFailed:            {showEvents},
	devserverv1.ReasonNotAnswering:         {showLogs, {"Restart it, which ends its processes:", Restart}},
}

// advice is what the person can do.
func advice(f Facts) Section {
	s := Section{Title: "What you can do"}
	if f.DevServer.Status.Phase == devserverv1.PhaseTerminating {
		return s
	}
	offered := remedies[f.reason()]
	if f.DevServer.Status.Phase == devserverv1.PhaseRunning {
		offered = f.whileRunning()
	}
	all := true
	for _, r := range offered {
		all = f.offer(&s, r) && all
	}
	if !all {
		f.offer(&s, remedy{"With devctl and access to the cluster you can do more:", Elsewhere})
	}
	return s
}

// whileRunning are the remedies for a server that is Running.
func (f Facts) whileRunning() []remedy {
	s := f.DevServer.Status
	offered := []remedy{{"Log in:", LogIn}}
	if s.SuspendsAt != nil {
		offered = append(offered, remedy{"Type anything in a terminal of the server, or keep it awake for some time:", KeepAwake})
	}
	if s.ExpiresAt != nil {
		offered = append(offered, remedy{"Extend its time to live:", Extend})
	}
	if f.isTrue(devserverv1.ConditionRestartPending) {
		offered = append(offered, remedy{"Restart it, which ends its processes:", Restart})
	}
	if f.isTrue(devserverv1.ConditionHomeFull) {
		offered = append(offered, remedy{"Delete files in the home directory, or enlarge it, which restarts nothing:", ChangeHomeSize})
	}
	if active := f.condition(devserverv1.ConditionActive); active != nil && f.Report == nil && f.ReportError == "" && active.Reason == devserverv1.ReasonActive {
		offered = append(offered, remedy{"Show what it does right now:", ShowActivity})
	}
	return offered
}

// offer adds a remedy, and returns false if this person cannot take its action.
func (f Facts) offer(s *Section, r remedy) bool {
	line, ok := f.Commands[r.action]
	if r.action != None && !ok {
		return false
	}
	s.say("%s", r.text)
	if ok {
		s.add(Command, line)
	}
	return true
}
