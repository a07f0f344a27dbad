package output

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
)

func wideTable() *metav1.Table {
	return &metav1.Table{
		ColumnDefinitions: []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string"}, {Name: "Owner", Type: "string"}, {Name: "Age", Type: "string"}, {Name: "Message", Type: "string"},
		},
		Rows: []metav1.TableRow{{
			Cells:  []any{"trainer", "ann@example.com", "3d", "No node has room: 2 nodes match and are full."},
			Object: runtime.RawExtension{Object: &metav1.PartialObjectMetadata{}},
		}},
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	cases := map[string]struct {
		reason string
		width  int
		want   string
	}{
		"NoTerminal": {"files and pipes get whole lines", 0, `
NAME      OWNER             AGE   MESSAGE
trainer   ann@example.com   3d    No node has room: 2 nodes match and are full.
`},
		"Broad": {"all columns fit", 100, `
NAME      OWNER             AGE   MESSAGE
trainer   ann@example.com   3d    No node has room: 2 nodes match and are full.
`},
		"Narrow": {"the owner is left out first", 65, `
NAME      AGE   MESSAGE
trainer   3d    No node has room: 2 nodes match and are full.
`},
		"Narrower": {"then the age, and the last column wraps", 40, `
NAME      MESSAGE
trainer   No node has room: 2 nodes
          match and are full.
`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := &Flags{Format: Table}
			table := wideTable()
			table = f.WrapLast(Without(table, f.Excess(table, tc.width, "Owner", "Age")), tc.width)
			var out strings.Builder
			if err := printers.NewTablePrinter(printers.PrintOptions{}).PrintObj(table, &out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), out.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestWrap(t *testing.T) {
	const text = "one two three four five six"
	for want, width := range map[string]int{text: 0, "one two three\n    four five six": 20} {
		if got := Wrap(text, width, 4); got != want {
			t.Errorf("width %d: got %q, want %q", width, got, want)
		}
	}
}
