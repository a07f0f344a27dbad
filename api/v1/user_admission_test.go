package v1_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/apiserver"
)

const goodUser = `
apiVersion: devserver.io/v1
kind: DevServerUser
metadata:
  name: alice
spec:
  username: alice
  owner: alice@example.com
  publicKeys: ["` + ed25519Key + `"]
  uid: 2001
  quota: {requests.nvidia.com/gpu: 2, count/devservers.devserver.io: 5}
  limitRange: [{type: Container, max: {cpu: "8"}, default: {memory: 4Gi}}]
  roles: [{kind: ClusterRole, name: view}]
`

const (
	usernameWords   = "username must be lower-case letters, digits and '-', and start and end with a letter or digit, such as alice"
	userOwnerWords  = "owner must be printable ASCII characters without spaces, such as user@example.com, and must not start with system:"
	quotaWords      = "each of quota must be a non-negative quantity, such as 64Gi or 2"
	roleWords       = "name must be the name of a role without '/' and '%', such as view"
	limitRangeWords = "each of min, max, default and defaultRequest must be non-negative quantities, such as 16Gi or 500m"
)

func TestUserRefused(t *testing.T) {
	list := func(name string, value any) map[string]any { return map[string]any{name: value} }
	limit := func(field string, value any) []any {
		return []any{map[string]any{"type": "Container", field: list("cpu", value)}}
	}
	order := func(lower, upper string) []any {
		return []any{map[string]any{"type": "Container", lower: list("cpu", "2"), upper: list("cpu", "1500m")}}
	}
	role := func(kind, name string) []any { return []any{map[string]any{"kind": kind, "name": name}} }
	var keys, roles, limits []any
	many := map[string]any{}
	for i := range 65 {
		keys = append(keys, ed25519Key+" "+strconv.Itoa(i))
	}
	for i := range 17 {
		roles = append(roles, role("Role", "r"+strconv.Itoa(i))...)
	}
	for range 2 {
		limits = append(limits, map[string]any{"type": "Pod"})
	}
	for i := range 33 {
		many["count/things-"+strconv.Itoa(i)] = "1"
	}
	create := try(t)
	for name, test := range map[string]struct {
		edit
		words string
	}{
		"no user name":              {edit{"spec.username", nil}, "spec.username: Required value"},
		"empty user name":           {edit{"spec.username", ""}, "spec.username"},
		"capital letters":           {edit{"spec.username", "Alice"}, usernameWords},
		"a dot in the user name":    {edit{"spec.username", "alice.b"}, usernameWords},
		"a dash at the end":         {edit{"spec.username", "alice-"}, usernameWords},
		"an e-mail as user name":    {edit{"spec.username", "alice@example.com"}, usernameWords},
		"a long user name":          {edit{"spec.username", strings.Repeat("a", 51)}, "Too long: may not be more than 50"},
		"no owner":                  {edit{"spec.owner", nil}, "spec.owner: Required value"},
		"empty owner":               {edit{"spec.owner", ""}, "spec.owner"},
		"owner with a space":        {edit{"spec.owner", "Alice B"}, userOwnerWords},
		"owner with umlauts":        {edit{"spec.owner", "älice"}, userOwnerWords},
		"an owner of Kubernetes":    {edit{"spec.owner", "system:admin"}, userOwnerWords},
		"a service account":         {edit{"spec.owner", "system:serviceaccount:default:x"}, userOwnerWords},
		"key with options":          {edit{"spec.publicKeys", []any{`command="sh" ` + ed25519Key}}, keysWords},
		"two keys in one":           {edit{"spec.publicKeys", []any{ed25519Key + "\n" + ecdsaKey}}, keysWords},
		"no key":                    {edit{"spec.publicKeys", []any{""}}, keysWords},
		"a key twice":               {edit{"spec.publicKeys", []any{ed25519Key, ed25519Key}}, "Duplicate value"},
		"too many keys":             {edit{"spec.publicKeys", keys}, "must have at most 64 items"},
		"uid of a system's user":    {edit{"spec.uid", int64(999)}, "spec.uid"},
		"uid of root":               {edit{"spec.uid", int64(0)}, "spec.uid"},
		"uid of the SSH server":     {edit{"spec.uid", int64(65532)}, "uid must not be 65532: the SSH server in every server's pod runs as it"},
		"uid above the maximum":     {edit{"spec.uid", int64(2147483647)}, "spec.uid"},
		"negative quota":            {edit{"spec.quota", list("pods", "-1")}, quotaWords},
		"quota in letters":          {edit{"spec.quota", list("pods", "many")}, quotaWords},
		"quota of a bad exponent":   {edit{"spec.quota", list("pods", "1e5.5")}, quotaWords},
		"quota of a huge exponent":  {edit{"spec.quota", list("pods", "1e1000000000")}, quotaWords},
		"too many quotas":           {edit{"spec.quota", many}, "must have at most 32 items"},
		"limit of no type":          {edit{"spec.limitRange", []any{map[string]any{"max": list("cpu", "1")}}}, "spec.limitRange[0].type: Required value"},
		"limit of an unknown type":  {edit{"spec.limitRange", []any{map[string]any{"type": "Node"}}}, `Unsupported value: "Node"`},
		"two limits of a type":      {edit{"spec.limitRange", limits}, "Duplicate value"},
		"negative minimum":          {edit{"spec.limitRange", limit("min", "-1")}, limitRangeWords},
		"maximum in letters":        {edit{"spec.limitRange", limit("max", "all")}, limitRangeWords},
		"default of a bad exponent": {edit{"spec.limitRange", limit("default", "1e5.5")}, limitRangeWords},
		"huge default request":      {edit{"spec.limitRange", limit("defaultRequest", "1e1000000000")}, limitRangeWords},
		"minimum above maximum":     {edit{"spec.limitRange", order("min", "max")}, "min must not be above max for any resource"},
		"minimum above default":     {edit{"spec.limitRange", order("min", "default")}, "min must not be above default for any resource"},
		"minimum above request":     {edit{"spec.limitRange", order("min", "defaultRequest")}, "min must not be above defaultRequest for any resource"},
		"request above default":     {edit{"spec.limitRange", order("defaultRequest", "default")}, "defaultRequest must not be above default for any resource"},
		"request above maximum":     {edit{"spec.limitRange", order("defaultRequest", "max")}, "defaultRequest must not be above max for any resource"},
		"default above maximum":     {edit{"spec.limitRange", order("default", "max")}, "default must not be above max for any resource"},
		"default of a pod":          {edit{"spec.limitRange", []any{map[string]any{"type": "Pod", "default": list("cpu", "1")}}}, "default and defaultRequest are for the type Container only"},
		"claims without a size":     {edit{"spec.limitRange", []any{map[string]any{"type": "PersistentVolumeClaim"}}}, "the type PersistentVolumeClaim requires min.storage or max.storage"},
		"a role of no kind":         {edit{"spec.roles", []any{map[string]any{"name": "view"}}}, "spec.roles[0].kind: Required value"},
		"a role of an unknown kind": {edit{"spec.roles", role("Group", "view")}, `Unsupported value: "Group"`},
		"a role without a name":     {edit{"spec.roles", role("Role", "")}, "spec.roles[0].name"},
		"a role with a slash":       {edit{"spec.roles", role("ClusterRole", "a/b")}, roleWords},
		"a role named dot dot":      {edit{"spec.roles", role("ClusterRole", "..")}, roleWords},
		"too many roles":            {edit{"spec.roles", roles}, "must have at most 16 items"},
		"privileged level":          {edit{"spec.podSecurity", "Privileged"}, `supported values: "Restricted", "Baseline"`},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, goodUser)
			test.apply(t, object)
			wantRefusal(t, create(object), test.words)
		})
	}
}

func TestUserAccepted(t *testing.T) {
	create := try(t)
	for name, test := range map[string]edit{
		"unchanged":                 {"metadata.name", "another.name"},
		"no keys yet":               {"spec.publicKeys", nil},
		"a long user name":          {"spec.username", strings.Repeat("a", 50)},
		"digits":                    {"spec.username", "42"},
		"owner from OpenID Connect": {"spec.owner", "https://example.com#alice"},
		"hardware key":              {"spec.publicKeys", []any{"sk-ssh-ed25519@openssh.com " + strings.Fields(ed25519Key)[1] + " key ring"}},
		"no uid":                    {"spec.uid", nil},
		"the first uid":             {"spec.uid", int64(1000)},
		"next to the SSH server's":  {"spec.uid", int64(65533)},
		"no quota":                  {"spec.quota", nil},
		"quota of nothing":          {"spec.quota", map[string]any{"pods": int64(0)}},
		"no limits":                 {"spec.limitRange", nil},
		"limits in order":           {"spec.limitRange", []any{map[string]any{"type": "Container", "min": map[string]any{"cpu": "1"}, "defaultRequest": map[string]any{"cpu": "1000m"}, "default": map[string]any{"cpu": "2"}, "max": map[string]any{"cpu": int64(2)}}}},
		"largest claim":             {"spec.limitRange", []any{map[string]any{"type": "PersistentVolumeClaim", "max": map[string]any{"storage": "1Ti"}}}},
		"role of a system":          {"spec.roles", []any{map[string]any{"kind": "ClusterRole", "name": "system:node-reader"}}},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, goodUser)
			test.apply(t, object)
			if err := create(object); err != nil {
				t.Fatal(err)
			}
			decode(t, object, &devserverv1.DevServerUser{})
		})
	}
}

// Fields that homes and namespaces depend on cannot be changed.
func TestUserChangeRefused(t *testing.T) {
	c := apiserver.Client(t)
	for name, test := range map[string]struct {
		edit
		words string
	}{
		"user name":      {edit{"spec.username", "bob"}, "username cannot be changed: the namespace is named after it; create another DevServerUser"},
		"owner":          {edit{"spec.owner", "bob@example.com"}, "owner cannot be changed: DevServers and home directories belong to it; create another DevServerUser"},
		"uid":            {edit{"spec.uid", int64(2002)}, "uid cannot be changed, added or removed: the files in the home directories belong to it"},
		"uid taken away": {edit{"spec.uid", nil}, "uid cannot be changed, added or removed: the files in the home directories belong to it"},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, goodUser)
			object.SetName(apiserver.Namespace(t))
			if err := c.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Delete(context.Background(), object) })
			test.apply(t, object)
			wantRefusal(t, c.Update(t.Context(), object, client.DryRunAll), test.words)
		})
	}
}
