// Package output prints results in the format of --output: columns for people, and
// JSON, YAML or names for scripts.
package output

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/printable"
)

// Values of --output.
const (
	Table = "table"
	Wide  = "wide"
	JSON  = "json"
	YAML  = "yaml"
	Name  = "name"
)

// Flags say how to print.
type Flags struct {
	Format string
	// Namespaces adds a column with the namespace to tables.
	Namespaces bool
	formats    []string
}

// AddTo adds --output to a command that has those formats; the first is the
// default.
func (f *Flags) AddTo(cmd *cobra.Command, formats ...string) {
	f.formats = formats
	cmd.Flags().StringVarP(&f.Format, "output", "o", formats[0], "output format, one of "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// Check refuses a format that the command does not have, before it does
// anything.
func (f *Flags) Check() error {
	if slices.Contains(f.formats, f.Format) {
		return nil
	}
	return exit.With(exit.Usage, fmt.Errorf("--output %q is not one of %v", f.Format, f.formats))
}

// ForPeople tells whether the format is for people, who get a sentence instead of
// an empty table.
func (f *Flags) ForPeople() bool { return f.Format == Table || f.Format == Wide }

// NewTable returns a table with columns of those names. Those in wide are printed
// only with Wide.
func NewTable(columns []string, wide ...string) *metav1.Table {
	t := &metav1.Table{}
	for _, name := range columns {
		c := metav1.TableColumnDefinition{Name: name}
		if slices.Contains(wide, name) {
			c.Priority = 1
		}
		t.ColumnDefinitions = append(t.ColumnDefinitions, c)
	}
	return t
}

// AddRow adds a row about an object, whose namespace may be a column too. Cells are
// printable before the widths of columns are known.
func AddRow(t *metav1.Table, object metav1.Object, cells ...any) {
	for i, cell := range cells {
		if text, ok := cell.(string); ok {
			cells[i] = printable.Line(text, 0)
		}
	}
	about := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: printable.Line(object.GetNamespace(), 0)}}
	t.Rows = append(t.Rows, metav1.TableRow{Cells: cells, Object: runtime.RawExtension{Object: about}})
}

// PrintTable prints the columns. Those with a priority above 0 are for Wide. On a
// terminal that is too narrow, it leaves out the columns in drop, in that order, as
// far as necessary, and then wraps the last column.
func (f *Flags) PrintTable(table *metav1.Table, w io.Writer, drop ...string) error {
	width := Width(w)
	table = f.WrapLast(Without(table, f.Excess(table, width, drop...)), width)
	options := printers.PrintOptions{Wide: f.Format == Wide, WithNamespace: f.Namespaces}
	return printers.NewTablePrinter(options).PrintObj(table, w)
}

// Print prints an object, or a list of them, whose types the scheme knows, for
// scripts.
func (f *Flags) Print(object runtime.Object, scheme *runtime.Scheme, w io.Writer) error {
	if err := complete(object, scheme); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	if f.Format == Name {
		return printNames(object, w)
	}
	return f.PrintValue(object, w)
}

// PrintValue prints a value, for scripts. It writes the characters that a terminal acts on
// with the escape sequences of JSON and YAML, so the values stay the same.
func (f *Flags) PrintValue(value any, w io.Writer) (err error) {
	var text []byte
	switch f.Format {
	case JSON:
		text, err = json.MarshalIndent(value, "", "    ")
		text = append(escapeJSON(text), '\n')
	case YAML:
		text, err = ToYAML(value)
	default:
		return fmt.Errorf("printing a %T as %q: that format requires columns", value, f.Format)
	}
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	_, err = w.Write(text)
	return err
}

// complete sets the kind of an object and of the items of a list, which the client
// leaves out, and removes the managed fields.
func complete(object runtime.Object, scheme *runtime.Scheme) error {
	gvk, err := apiutil.GVKForObject(object, scheme)
	if err != nil {
		return err
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	if single, ok := object.(client.Object); ok {
		single.SetManagedFields(nil)
		return nil
	}
	return meta.EachListItem(object, func(item runtime.Object) error { return complete(item, scheme) })
}

// printNames prints KIND.GROUP/NAME, a line each.
func printNames(object runtime.Object, w io.Writer) error {
	one := func(item runtime.Object) error {
		var name bytes.Buffer
		if err := (&printers.NamePrinter{}).PrintObj(item, &name); err != nil {
			return err
		}
		_, err := Println(w, strings.TrimSuffix(name.String(), "\n"))
		return err
	}
	if !meta.IsListType(object) {
		return one(object)
	}
	return meta.EachListItem(object, one)
}

// Count is a number of things: "1 host", "2 hosts".
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// OrNone shows a cell without a value as kubectl does.
func OrNone(cell string) string {
	return cmp.Or(cell, "<none>")
}
