package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
)

// AnnotationSettings on a pod, and on the template that it was made from, is
// the part of the DevServer's own spec that the pod depends on. It
// distinguishes an edit by the owner, which restarts the server at once, from
// an edit of the flavor or an upgrade of the operator, which never do.
const AnnotationSettings = "devserver.io/settings"

// settingsVersion is the version of the annotation's format. A pod with another
// one, or none, counts as not edited, so that an upgrade does not restart every
// server.
const settingsVersion = 1

// settings has the names of the spec's fields, so that a message can name what
// changed.
type settings struct {
	Version         int               `json:"version"`
	Flavor          string            `json:"flavor,omitempty"`
	Image           string            `json:"image,omitempty"`
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// Env and Volumes are digests: annotations must not get long.
	Env                   string       `json:"env,omitempty"`
	Volumes               string       `json:"volumes,omitempty"`
	SharedVolumeClaimName string       `json:"sharedVolumeClaimName,omitempty"`
	RestartedAt           *metav1.Time `json:"restartedAt,omitempty"`
}

// ownSettings renders the annotation.
func ownSettings(d *devv1.DevServer) string {
	return text(settings{
		Version:               settingsVersion,
		Flavor:                d.Spec.Flavor,
		Image:                 d.Spec.Image,
		ImagePullPolicy:       d.Spec.ImagePullPolicy,
		Env:                   digest(d.Spec.Env),
		Volumes:               digest(d.Spec.Volumes),
		SharedVolumeClaimName: d.Spec.SharedVolumeClaimName,
		RestartedAt:           d.Spec.RestartedAt,
	})
}

func digest[T any](list []T) string {
	if len(list) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(text(list)))
	return hex.EncodeToString(sum[:8])
}

// text is the JSON of plain data, which always has one.
func text(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(encoded)
}

// Edited gives the fields of the spec that differ between the settings that a
// pod started with and those that it would start with now, in the order in
// which the spec has them.
func Edited(pod, template map[string]string) []string {
	was, is := parseSettings(pod), parseSettings(template)
	if was == nil || is == nil {
		return nil
	}
	var fields []string
	old, now := reflect.ValueOf(*was), reflect.ValueOf(*is)
	for i := range old.NumField() {
		field := old.Type().Field(i)
		if field.Name == "RestartedAt" || reflect.DeepEqual(old.Field(i).Interface(), now.Field(i).Interface()) {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields = append(fields, "spec."+name)
	}
	if is.RestartedAt != nil && (was.RestartedAt == nil || was.RestartedAt.Before(is.RestartedAt)) {
		fields = append(fields, "spec.restartedAt")
	}
	return fields
}

func parseSettings(annotations map[string]string) *settings {
	s := &settings{}
	if err := json.Unmarshal([]byte(annotations[AnnotationSettings]), s); err != nil || s.Version != settingsVersion {
		return nil
	}
	return s
}
