package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/hostile"
)

func TestGuardShowsControlCharacters(t *testing.T) {
	var out bytes.Buffer
	streams := Guard(Guard(genericiooptions.IOStreams{Out: &out, ErrOut: &out}))
	for _, part := range []string{"a\x1b[31m\tb\n", "\xe2", "\x80", "\xae c\r\n", "\xc3"} { // U+202E in three writes
		if n, err := streams.Out.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("%q: %d bytes, %v", part, n, err)
		}
	}
	if got, want := out.String(), "a\\x1b[31m\tb\n\\u202e c\\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if Raw(streams.Out) != &out {
		t.Error("Raw returned another stream")
	}
}

func TestValuesAreOneLine(t *testing.T) {
	var out bytes.Buffer
	_, _ = Printf(&out, "one %s\n", errors.New("two\nthree"))
	_, _ = Println(&out, "four\n", "five")
	if _, err := Styled(&out, "\x1b[1msix\x1b[0m \x1b[2J\n"); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "one two\\nthree\nfour\\n five\nsix \\x1b[2J\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestColumnsCountWhatIsPrinted: the columns stay aligned whatever is in a cell.
func TestColumnsCountWhatIsPrinted(t *testing.T) {
	f := &Flags{Format: Table, Namespaces: true}
	table := NewTable([]string{"Name", "Owner"})
	AddRow(table, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "a\x1bb"}}, "x\ty", "ann\u202e")
	AddRow(table, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "team"}}, "trainer", "bob\nmallory")
	var out bytes.Buffer
	if err := f.PrintTable(table, &out); err != nil {
		t.Fatal(err)
	}
	want := `
NAMESPACE   NAME      OWNER
a\x1bb      x\ty      ann\u202e
team        trainer   bob\nmallory
`
	if diff := cmp.Diff(want, "\n"+out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFormatsForScriptsLoseNothing prints an object of which every string is hostile.
func TestFormatsForScriptsLoseNothing(t *testing.T) {
	var ds devserverv1.DevServer
	hostile.Fill(&ds)
	ds.Spec.Env = append(ds.Spec.Env, devserverv1.EnvVar{Name: "LINES", Value: "one\n  two\n\nthree\n"}, devserverv1.EnvVar{Name: "WIDE", Value: "東京\u3000\u00a0"})
	scheme := runtime.NewScheme()
	if err := devserverv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{JSON, YAML} {
		var out bytes.Buffer
		f := &Flags{Format: format}
		if err := f.Print(ds.DeepCopy(), scheme, &out); err != nil {
			t.Fatal(err)
		}
		for _, fault := range hostile.Faults(out.String(), "") {
			t.Errorf("%s: %s", format, fault)
		}
		var got devserverv1.DevServer
		decode := json.Unmarshal
		if format == YAML {
			decode = func(text []byte, into any) error { return yaml.UnmarshalStrict(text, into) }
		}
		if err := decode(out.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		got.TypeMeta = ds.TypeMeta
		if diff := cmp.Diff(marshal(t, ds), marshal(t, got)); diff != "" {
			t.Errorf("%s: the object is another (-want +got):\n%s", format, diff)
		}
	}
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHarmlessYAMLStaysAsItIs(t *testing.T) {
	value := map[string]any{"b": "two\nlines\n", "a": []any{"true", 1, nil, "x"}}
	for _, tc := range []struct{ x, want string }{
		{"x", "a:\n- \"true\"\n- 1\n- null\n- x\nb: |\n  two\n  lines\n"},
		{"x\u202e", "a:\n- \"true\"\n- 1\n- null\n- \"x\\u202E\"\nb: |\n  two\n  lines\n"},
	} {
		value["a"].([]any)[3] = tc.x
		if got, err := ToYAML(value); err != nil || string(got) != tc.want {
			t.Errorf("got %q, %v, want %q", got, err, tc.want)
		}
	}
}
