package brief

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

const managed = `"managedFields":[{"manager":"a \"}]\\","fieldsV1":{"f:spec":{".":{},"k:{\"type\":\"Ready\"}":{}}}}]`

func TestWithoutManagedFields(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"first":             {`{"type":"ADDED","object":{"metadata":{` + managed + `,"name":"a"},"spec":{}}}`, `{"type":"ADDED","object":{"metadata":{"name":"a"},"spec":{}}}`},
		"between":           {`{"object":{"metadata":{"name":"a",` + managed + `,"uid":"b"}}}`, `{"object":{"metadata":{"name":"a","uid":"b"}}}`},
		"last":              {`{"object":{"metadata":{"name":"a",` + managed + `}}}` + "\n", `{"object":{"metadata":{"name":"a"}}}` + "\n"},
		"alone":             {`{"object":{"metadata":{` + managed + `}}}`, `{"object":{"metadata":{}}}`},
		"after other kinds": {`{"object":{"a":[{"metadata":{}}],"b":1.5e3,"c":true,"d":{},"metadata":{` + managed + `}}}`, `{"object":{"a":[{"metadata":{}}],"b":1.5e3,"c":true,"d":{},"metadata":{}}}`},
		"null":              {`{"object":{"metadata":{"managedFields":null,"name":"a"}}}`, `{"object":{"metadata":{"name":"a"}}}`},
		"of a pod template": {`{"object":{"spec":{"template":{"metadata":{` + managed + `}}}}}`, ""},
		"of an item":        {`{"object":{"items":[{"metadata":{` + managed + `}}]}}`, ""},
		"elsewhere":         {`{"object":{"metadata":{"name":"a"},"spec":{` + managed + `}}}`, ""},
		"deeper":            {`{"object":{"metadata":{"annotations":{` + managed + `}}}}`, ""},
		"a value":           {`{"object":{"metadata":{"name":"managedFields","uid":"metadata"}}}`, ""},
		"a quoted key":      {`{"object":{"metadata":{"name":"\"managedFields\":[","a":[1]}}}`, ""},
		"no object":         {`{"object":"metadata"}`, ""},
		"with blanks":       {`{ "object" : { "metadata" : { "managedFields" : [] } } }`, ""},
		"cut off":           {`{"object":{"metadata":{"managedFields":[{"a":"b`, ""},
		"cut off later":     {`{"object":{"metadata":{"managedFields":[]`, ""},
		"no JSON":           {`"}}]],,{{"`, ""},
		"nothing":           {"", ""},
	} {
		if tc.want == "" {
			tc.want = tc.text
		}
		if got := string(withoutManagedFields([]byte(tc.text))); got != tc.want {
			t.Errorf("%s: %s\nbecame %s\n  want %s", name, tc.text, got, tc.want)
		}
	}
}

func TestIdentity(t *testing.T) {
	const whole = `{"apiVersion":"v1","kind":"Service","metadata":{` + managed + `,"name":"a","namespace":"b","generation":7,"uid":"c","labels":{"name":"x"},"resourceVersion":"1"}`
	const want = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","namespace":"b","uid":"c","resourceVersion":"1","generation":7}}`
	for name, tc := range map[string]struct{ text, want string }{
		"all of it":    {whole + `,"spec":{"metadata":{"name":"x"}},"status":{}}` + "\n", want},
		"no spec":      {whole + `}`, want},
		"little of it": {`{"kind":"A","apiVersion":"v1","metadata":{"uid":"c"}}`, `{"apiVersion":"v1","kind":"A","metadata":{"uid":"c"}}`},
		"no metadata":  {`{"kind":"A","apiVersion":"v1"}`, ""},
		"none of it":   {`{"kind":"A","apiVersion":"v1","metadata":{}}`, `{"apiVersion":"v1","kind":"A","metadata":{}}`},
		"no kind":      {`{"apiVersion":"v1","metadata":{"uid":"c"}}`, ""},
		"no object":    {`[{"kind":"A"}]`, ""},
		"cut off":      {whole, ""},
	} {
		got, ok := identity([]byte{}, []byte(tc.text))
		if string(got) != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: %s\nbecame %s, %t\n  want %s", name, tc.text, got, ok, tc.want)
		}
	}
}

// Whatever the API server may write, the rest of it means what it meant before.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"object":{"metadata":{"name":"a",` + managed + `,"labels":{"metadata":"b"}},"spec":{"managedFields":[1]}}}`))
	f.Add([]byte(`{"apiVersion":"v1","kind":"A","metadata":{"\\\"":"\\","managedFields":{},"uid":[1]},"a":-1e5,"b":null}`))
	f.Add([]byte(`{"metadata":{"managedFields":[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var object map[string]any
		if json.Unmarshal(text, &object) != nil {
			_, _ = identity(nil, text)
			withoutManagedFields(text) // They do not panic.
			return
		}
		compact, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if short, ok := identity(nil, compact); ok {
			metadata, _ := object["metadata"].(map[string]any)
			kept := map[string]any{}
			for _, name := range []string{"name", "namespace", "uid", "resourceVersion", "generation"} {
				if value, is := metadata[name]; is {
					kept[name] = value
				}
			}
			means(t, compact, short, map[string]any{"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": kept})
		}
		if inner, is := object["object"].(map[string]any); is {
			if metadata, is := inner["metadata"].(map[string]any); is {
				delete(metadata, "managedFields")
			}
		}
		means(t, compact, withoutManagedFields(bytes.Clone(compact)), object)
	})
}

func means(t *testing.T, whole, short []byte, want map[string]any) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(short, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%s became %s, %v", whole, short, err)
	}
}
