package why

import (
	"fmt"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/explain"
)

// Commands returns the devctl commands that a user can run.
func Commands(ds *devserverv1.DevServer) explain.Commands {
	devctl := func(verb, rest string) string {
		if rest != "" {
			rest = " " + rest
		}
		return fmt.Sprintf("devctl %s %s%s -n %s", verb, ds.Name, rest, ds.Namespace)
	}
	return explain.Commands{
		explain.LogIn:            devctl("ssh", ""),
		explain.Wake:             devctl("start", ""),
		explain.Start:            devctl("start", ""),
		explain.Wait:             devctl("wait", ""),
		explain.KeepAwake:        devctl("keep", "6h"),
		explain.Extend:           devctl("extend", "6h"),
		explain.Restart:          devctl("restart", ""),
		explain.ChangeFlavor:     devctl("resize", "--flavor FLAVOR"),
		explain.ChangeHomeSize:   devctl("resize", "--home-size SIZE"),
		explain.ChangeImage:      devctl("set-image", "IMAGE"),
		explain.ShowLogs:         devctl("logs", ""),
		explain.ShowPreviousLogs: devctl("logs", "--previous"),
		explain.ShowEvents:       devctl("events", ""),
		explain.ShowActivity:     devctl("why", "--live"),
		explain.ListFlavors:      "devctl flavors",
		explain.ListServers:      "devctl list -n " + ds.Namespace,
		explain.CheckCluster:     "devctl doctor",
		// No verb of devctl changes these fields, or lists claims.
		explain.Edit:       fmt.Sprintf("kubectl edit devserver %s -n %s", ds.Name, ds.Namespace),
		explain.ListClaims: "kubectl get persistentvolumeclaims -n " + ds.Namespace,
	}
}
