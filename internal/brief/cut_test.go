package brief

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

const managed = `"managedFields":[{"manager":"a \"}]\\","fieldsV1":{"f:spec":{".":{},"k:{\"type\":\"Ready\"}":{}}}}]`

func TestWithoutManagedFields(t *testing.T) {
	for name, tc := range map[string]struct {
		text, want string
		depth      int
	}{
		"first":             {`{"metadata":{` + managed + `,"name":"a"},"spec":{}}`, `{"metadata":{"name":"a"},"spec":{}}`, inObject},
		"between":           {`{"metadata":{"name":"a",` + managed + `,"uid":"b"}}`, `{"metadata":{"name":"a","uid":"b"}}`, inObject},
		"last":              {`{"metadata":{"name":"a",` + managed + `}}` + "\n", `{"metadata":{"name":"a"}}` + "\n", inObject},
		"alone":             {`{"metadata":{` + managed + `}}`, `{"metadata":{}}`, inObject},
		"after a list":      {`{"a":[{"metadata":{}}],"metadata":{` + managed + `}}`, `{"a":[{"metadata":{}}],"metadata":{}}`, inObject},
		"in an event":       {`{"type":"ADDED","object":{"metadata":{` + managed + `,"name":"a"}}}`, `{"type":"ADDED","object":{"metadata":{"name":"a"}}}`, inEvent},
		"of a pod template": {`{"spec":{"template":{"metadata":{` + managed + `}}}}`, "", inObject},
		"of an item":        {`{"items":[{"metadata":{` + managed + `}}]}`, "", inObject},
		"elsewhere":         {`{"metadata":{"name":"a"},"spec":{` + managed + `}}`, "", inObject},
		"deeper":            {`{"metadata":{"annotations":{` + managed + `}}}`, "", inObject},
		"a value":           {`{"metadata":{"name":"managedFields","uid":"metadata"}}`, "", inObject},
		"a quoted key":      {`{"metadata":{"name":"\"managedFields\":[","a":[1]}}`, "", inObject},
		"no list":           {`{"metadata":{"managedFields":null,"name":"a"}}`, "", inObject},
		"with blanks":       {`{ "metadata" : { "managedFields" : [] } }`, "", inObject},
		"cut off":           {`{"metadata":{"managedFields":[{"a":"b`, "", inObject},
		"cut off later":     {`{"metadata":{"managedFields":[]`, "", inObject},
		"no JSON":           {`"}}]],,{{"`, "", inObject},
		"nothing":           {"", "", inObject},
	} {
		if tc.want == "" {
			tc.want = tc.text
		}
		if got := string(withoutManagedFields([]byte(tc.text), tc.depth)); got != tc.want {
			t.Errorf("%s: %s\nbecame %s\n  want %s", name, tc.text, got, tc.want)
		}
	}
}

// Whatever the API server may write, the rest of it means what it meant before.
func FuzzWithoutManagedFields(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"a",` + managed + `,"labels":{"metadata":"b"}},"spec":{"managedFields":[1]}}`))
	f.Add([]byte(`{"metadata":{"\\\"":"\\","managedFields":{}}}`))
	f.Add([]byte(`{"metadata":{"managedFields":[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var object map[string]any
		if json.Unmarshal(text, &object) != nil {
			withoutManagedFields(text, inObject) // It does not panic.
			return
		}
		compact, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(withoutManagedFields(bytes.Clone(compact), inObject), &got); err != nil {
			t.Fatalf("%s is no JSON any more: %v", compact, err)
		}
		if metadata, is := object["metadata"].(map[string]any); is {
			switch metadata["managedFields"].(type) {
			case []any, map[string]any:
				delete(metadata, "managedFields")
			}
		}
		if !reflect.DeepEqual(got, object) {
			t.Fatalf("%s became %v", compact, got)
		}
	})
}
