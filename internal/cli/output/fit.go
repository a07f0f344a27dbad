package output

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Width is the number of columns of the terminal that w is; 0 if it is not one, so
// that files and pipes get whole lines.
func Width(w io.Writer) int {
	file, ok := Raw(w).(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Wrap breaks text into lines of at most width columns, all but the first indented
// by indent columns. A width of 0, or one that leaves no room, changes nothing.
func Wrap(text string, width, indent int) string {
	const least = 16
	if width-indent < least {
		return text
	}
	return strings.ReplaceAll(ansi.Wrap(text, width-indent, ""), "\n", "\n"+strings.Repeat(" ", indent))
}

// padding is what the table printer puts between columns.
const padding = 3

// Excess returns which of the columns in drop, in that order, have to be left out
// for the table to fit into width columns.
func (f *Flags) Excess(table *metav1.Table, width int, drop ...string) (excess []string) {
	if width == 0 {
		return nil
	}
	for len(drop) > 0 && f.width(table, excess) > width {
		excess, drop = append(excess, drop[0]), drop[1:]
	}
	return excess
}

// shown are the indexes of the columns that are printed.
func (f *Flags) shown(table *metav1.Table, without []string) (columns []int) {
	for i, c := range table.ColumnDefinitions {
		if (c.Priority == 0 || f.Format == Wide) && !slices.Contains(without, c.Name) {
			columns = append(columns, i)
		}
	}
	return columns
}

// width is how wide the table is printed without some of its columns.
func (f *Flags) width(table *metav1.Table, without []string) int {
	width := 0
	if f.Namespaces {
		width = len("NAMESPACE")
		for i := range table.Rows {
			if object, ok := table.Rows[i].Object.Object.(metav1.Object); ok {
				width = max(width, ansi.StringWidth(object.GetNamespace()))
			}
		}
		width += padding
	}
	for _, column := range f.shown(table, without) {
		width += columnWidth(table, column) + padding
	}
	return width - padding
}

func columnWidth(table *metav1.Table, column int) int {
	width := ansi.StringWidth(table.ColumnDefinitions[column].Name)
	for i := range table.Rows {
		width = max(width, ansi.StringWidth(fmt.Sprint(table.Rows[i].Cells[column])))
	}
	return width
}

// Without returns the table without some of its columns.
func Without(table *metav1.Table, columns []string) *metav1.Table {
	if len(columns) == 0 {
		return table
	}
	less := &metav1.Table{}
	for i, c := range table.ColumnDefinitions {
		if slices.Contains(columns, c.Name) {
			continue
		}
		less.ColumnDefinitions = append(less.ColumnDefinitions, c)
		for len(less.Rows) < len(table.Rows) {
			less.Rows = append(less.Rows, metav1.TableRow{Object: table.Rows[len(less.Rows)].Object})
		}
		for r := range table.Rows {
			less.Rows[r].Cells = append(less.Rows[r].Cells, table.Rows[r].Cells[i])
		}
	}
	return less
}

// WrapLast breaks the texts of the last printed column into several rows, if the
// table is wider than width and that leaves a readable column.
func (f *Flags) WrapLast(table *metav1.Table, width int) *metav1.Table {
	const least = 20
	columns := f.shown(table, nil)
	over := f.width(table, nil) - width
	if width == 0 || over <= 0 || len(columns) == 0 {
		return table
	}
	last := columns[len(columns)-1]
	room := columnWidth(table, last) - over
	if room < least {
		return table
	}
	wrapped := &metav1.Table{ColumnDefinitions: table.ColumnDefinitions}
	for _, row := range table.Rows {
		for i, line := range strings.Split(ansi.Wrap(fmt.Sprint(row.Cells[last]), room, ""), "\n") {
			next := metav1.TableRow{Cells: slices.Clone(row.Cells), Object: row.Object}
			if i > 0 {
				for c := range next.Cells {
					next.Cells[c] = ""
				}
				next.Object = runtime.RawExtension{Object: &metav1.PartialObjectMetadata{}}
			}
			next.Cells[last] = line
			wrapped.Rows = append(wrapped.Rows, next)
		}
	}
	return wrapped
}
