package explain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	devserverv1 "devserver.io/devserver/api/v1"
)

// reasons are those of the Ready condition that api/v1 lists, except those of a
// server that is Running or being deleted.
func reasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1/devserver_conditions.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, decl := range file.Decls {
		block, ok := decl.(*ast.GenDecl)
		if !ok || !strings.HasPrefix(block.Doc.Text(), "Reasons of the Ready condition") {
			continue
		}
		for _, spec := range block.Specs {
			value, ok := spec.(*ast.ValueSpec)
			if !ok {
				continue
			}
			text, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d reasons found", len(all))
	}
	return slices.DeleteFunc(all, func(reason string) bool {
		return reason == devserverv1.ReasonAnswering || reason == devserverv1.ReasonTerminating
	})
}
