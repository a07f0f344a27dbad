package v1_test

import (
	"strconv"
	"testing"

	devserverv1 "devserver.io/devserver/api/v1"
)

const goodFlavor = `
apiVersion: devserver.io/v1
kind: DevServerFlavor
metadata:
  name: gpu-large
spec:
  resources:
    requests: {cpu: "4", memory: 16Gi}
    limits: {cpu: "8", memory: 32Gi, nvidia.com/gpu: 1}
  nodeSelector: {example.com/pool: gpu}
  tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
`

const (
	limitWords    = "each of resources.limits must be a non-negative quantity, such as 16Gi, 500m or 1"
	requestWords  = "each of resources.requests must be a non-negative quantity, such as 16Gi, 500m or 1"
	aboveWords    = "a request in resources must not exceed the limit of the same resource: lower the request or raise the limit"
	extendedWords = "a request for huge pages or for an extended resource such as nvidia.com/gpu must have an equal limit: set the limit and leave the request out"
	wholeWords    = "the limit of an extended resource such as nvidia.com/gpu must be a whole number, such as 1"
	resourceWords = "each of resources.limits and resources.requests must be cpu, memory, ephemeral-storage, hugepages-SIZE or an extended resource with its domain"
)

func TestFlavorRefused(t *testing.T) {
	list := func(name string, value any) map[string]any { return map[string]any{name: value} }
	pair := func(name string, request, limit any) map[string]any {
		return map[string]any{"requests": list(name, request), "limits": list(name, limit)}
	}
	many := map[string]any{}
	for i := range 33 {
		many["example.com/device-"+strconv.Itoa(i)] = int64(1)
	}
	create := try(t)
	for name, test := range map[string]struct {
		edit
		words string
	}{
		"negative limit":              {edit{"spec.resources.limits", list("memory", "-1Gi")}, limitWords},
		"negative number":             {edit{"spec.resources.limits", list("nvidia.com/gpu", int64(-1))}, limitWords},
		"limit in letters":            {edit{"spec.resources.limits", list("cpu", "many")}, limitWords},
		"limit of a bad exponent":     {edit{"spec.resources.limits", list("cpu", "1e5.5")}, limitWords},
		"empty limit":                 {edit{"spec.resources.limits", list("cpu", "")}, limitWords},
		"huge exponent":               {edit{"spec.resources.limits", list("cpu", "1e1000000000")}, limitWords},
		"request above limit":         {edit{"spec.resources.requests", list("memory", "33Gi")}, aboveWords},
		"the same in two units":       {edit{"spec.resources", pair("cpu", "1001m", int64(1))}, aboveWords},
		"the same with numbers":       {edit{"spec.resources", pair("memory", int64(2), int64(1))}, aboveWords},
		"disk above its limit":        {edit{"spec.resources", pair("ephemeral-storage", "2Gi", "1Gi")}, aboveWords},
		"above a limit of zero":       {edit{"spec.resources", pair("cpu", "1", "0")}, aboveWords},
		"more GPUs than limit":        {edit{"spec.resources", pair("nvidia.com/gpu", int64(2), int64(1))}, aboveWords},
		"fewer GPUs than limit":       {edit{"spec.resources", pair("nvidia.com/gpu", int64(1), int64(2))}, extendedWords},
		"GPU without a limit":         {edit{"spec.resources.requests", list("amd.com/gpu", int64(1))}, extendedWords},
		"GPU without any limits":      {edit{"spec.resources", map[string]any{"requests": list("amd.com/gpu", int64(1))}}, extendedWords},
		"pages without a limit":       {edit{"spec.resources.requests", list("hugepages-2Mi", "4Mi")}, extendedWords},
		"half a GPU":                  {edit{"spec.resources.limits", list("nvidia.com/gpu", "500m")}, wholeWords},
		"limit without a domain":      {edit{"spec.resources.limits", list("gpu", int64(1))}, resourceWords},
		"request without one":         {edit{"spec.resources.requests", list("mem", "1Gi")}, resourceWords},
		"domain without a name":       {edit{"spec.resources.limits", list("nvidia.com/", int64(1))}, resourceWords},
		"negative request":            {edit{"spec.resources.requests", list("cpu", "-500m")}, requestWords},
		"request with a space":        {edit{"spec.resources.requests", list("memory", "16 Gi")}, requestWords},
		"min above max":               {edit{"spec.lifecycleBounds.idleTimeout", map[string]any{"min": "2h", "max": "1h"}}, "min must not be above max"},
		"zero bound":                  {edit{"spec.lifecycleBounds.timeToLive", list("max", "0s")}, "max must be a duration from 1m to 87600h"},
		"empty bound":                 {edit{"spec.lifecycleBounds.timeToLive", list("min", "")}, "min must be a duration from 1m to 87600h"},
		"deletion min above max":      {edit{"spec.lifecycleBounds.deleteAfterSuspended", map[string]any{"min": "2h", "max": "1h"}}, "min must not be above max"},
		"threshold min above max":     {edit{"spec.lifecycleBounds.activity.cpuMillis", map[string]any{"min": int64(2), "max": int64(1)}}, "min must not be above max"},
		"zero threshold":              {edit{"spec.lifecycleBounds.activity.gpuPercent", map[string]any{"min": int64(0)}}, "greater than or equal to 1"},
		"zero keep":                   {edit{"spec.lifecycleBounds.maxKeep", "0h"}, "maxKeep must be a duration from 1m to 87600h"},
		"zero default":                {edit{"spec.lifecycle.idleTimeout", "0h"}, "idleTimeout must be a duration from 1m to 87600h"},
		"claims":                      {edit{"spec.resources.claims", []any{map[string]any{"name": "gpu"}}}, "resources.claims are not supported"},
		"no resources":                {edit{"spec.resources", nil}, "spec.resources: Required value"},
		"too many resources":          {edit{"spec.resources.limits", many}, "must have at most 32 items"},
		"GPU for the SSH server":      {edit{"spec.sshResources", map[string]any{"limits": list("nvidia.com/gpu", int64(1))}}, "each of sshResources.limits and sshResources.requests must be cpu, memory or ephemeral-storage"},
		"SSH limit in letters":        {edit{"spec.sshResources", map[string]any{"limits": list("cpu", "1e5.5")}}, "each of sshResources.limits and sshResources.requests must be a non-negative quantity"},
		"negative SSH request":        {edit{"spec.sshResources", map[string]any{"requests": list("memory", "-1Mi")}}, "each of sshResources.limits and sshResources.requests must be a non-negative quantity"},
		"SSH request above limit":     {edit{"spec.sshResources", pair("memory", "65Mi", "64Mi")}, "a request in sshResources must not exceed the limit of the same resource"},
		"SSH claims":                  {edit{"spec.sshResources", map[string]any{"claims": []any{map[string]any{"name": "gpu"}}}}, "sshResources.claims are not supported"},
		"image with a space":          {edit{"spec.image", "debian :bookworm"}, imageWords},
		"shared memory of 0":          {edit{"spec.sharedMemorySize", "0"}, "sharedMemorySize must be a size from 1Mi to 16Ti"},
		"shared memory in letters":    {edit{"spec.sharedMemorySize", "much"}, "sharedMemorySize must be a size from 1Mi to 16Ti"},
		"home min above max":          {edit{"spec.homeSize", map[string]any{"min": "2Gi", "max": "1Gi"}}, "min must not be above max"},
		"home min in letters":         {edit{"spec.homeSize", map[string]any{"min": "1e5.5"}}, "min must be a size"},
		"negative home max":           {edit{"spec.homeSize", map[string]any{"max": "-1Gi"}}, "max must be a size"},
		"home max of a huge exponent": {edit{"spec.homeSize", map[string]any{"max": "1e1000000000"}}, "max must be a size"},
		"podTemplate as text":         {edit{"spec.podTemplate", "{}"}, "spec.podTemplate"},
		"volume at the root":          {edit{"spec.volumes", volume("/")}, "mountPath"},
		"unknown root":                {edit{"spec.root", "true"}, `supported values: "None", "UserNamespace"`},
		"wrong affinity":              {edit{"spec.affinity", map[string]any{"nodeAffinity": "x"}}, "spec.affinity.nodeAffinity"},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, goodFlavor)
			test.apply(t, object)
			wantRefusal(t, create(object), test.words)
		})
	}
}

func TestFlavorAccepted(t *testing.T) {
	create := try(t)
	for name, test := range map[string]edit{
		"unchanged":       {"spec.default", false},
		"equal GPUs":      {"spec.resources", map[string]any{"requests": map[string]any{"nvidia.com/gpu": "2"}, "limits": map[string]any{"nvidia.com/gpu": int64(2)}}},
		"equal, by units": {"spec.resources", map[string]any{"requests": map[string]any{"cpu": "1000m"}, "limits": map[string]any{"cpu": int64(1)}}},
		"huge pages":      {"spec.resources.limits", map[string]any{"hugepages-2Mi": "64Mi", "memory": "32Gi"}},
		"thousand GPUs":   {"spec.resources.limits", map[string]any{"nvidia.com/gpu": "1k"}},
		"no limits":       {"spec.resources.limits", nil},
		"no requests":     {"spec.resources.requests", nil},
		"no resources":    {"spec.resources", map[string]any{}},
		"zero":            {"spec.resources.requests", map[string]any{"cpu": "0", "memory": int64(0)}},
		"numbers":         {"spec.resources.limits", map[string]any{"cpu": int64(8), "memory": int64(34359738368)}},
		"any device":      {"spec.resources.limits", map[string]any{"example.com/fpga": "2"}},
		"fraction":        {"spec.resources.requests", map[string]any{"cpu": "0.5"}},
		"root":            {"spec.root", "UserNamespace"},
		"no root":         {"spec.root", "None"},
		"default":         {"spec.default", true},
		"shared memory":   {"spec.sharedMemorySize", "64Gi"},
		"home sizes":      {"spec.homeSize", map[string]any{"min": "10Gi", "max": int64(1099511627776)}},
		"home min alone":  {"spec.homeSize", map[string]any{"min": "10Gi"}},
		"podTemplate":     {"spec.podTemplate", map[string]any{"spec": map[string]any{"hostAliases": []any{}}, "anything": "kept"}},
		"images":          {"spec.allowedImages", []any{"registry.example.com/*"}},
		"volumes":         {"spec.volumes", volume("/data")},
		"SSH resources":   {"spec.sshResources", map[string]any{"requests": map[string]any{"cpu": "100m"}, "limits": map[string]any{"cpu": int64(2), "memory": "256Mi", "ephemeral-storage": "1Gi"}}},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, goodFlavor)
			test.apply(t, object)
			if err := create(object); err != nil {
				t.Fatal(err)
			}
			decode(t, object, &devserverv1.DevServerFlavor{})
		})
	}
}
