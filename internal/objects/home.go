package objects

import (
	"cmp"
	"strconv"

	"k8s.io/utils/ptr"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
)

// AnnotationUID on a home's claim, and on the template of it, is the uid that
// its files belong to, where it is not agentapi.UID. It stays with the home.
const AnnotationUID = "devserver.io/uid"

// Home is how the DevServer wants its home; the zero value if it does not say.
func Home(d *devv1.DevServer) devv1.HomeSpec { return ptr.Deref(d.Spec.Home, devv1.HomeSpec{}) }

// HasOwnClaim tells whether the home's claim is made from the StatefulSet's
// template, as it is unless the DevServer asks for another home.
func HasOwnClaim(d *devv1.DevServer) bool {
	return !Home(d).Ephemeral && Home(d).ClaimName == ""
}

// HomeClaimOf is the name of the claim with the home, and empty for an
// ephemeral one.
func HomeClaimOf(d *devv1.DevServer) string {
	if Home(d).Ephemeral {
		return ""
	}
	return cmp.Or(Home(d).ClaimName, HomeClaimName(d.Name))
}

// HomeUID is the uid that a home belongs to, from the annotations of its claim
// or of the claim's template.
func HomeUID(annotations map[string]string) int64 {
	uid, err := strconv.ParseInt(annotations[AnnotationUID], 10, 64)
	if err != nil {
		return agentapi.UID
	}
	return uid
}
