package v1_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestReadyReasonsAreDocumented: docs/troubleshooting.md has a row for each
// reason of a DevServer's Ready condition, and for no other.
func TestReadyReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllSubmatch(page, -1) {
		documented = append(documented, string(row[1]))
	}
	reasons := readyReasons(t)
	for _, reason := range reasons {
		if !slices.Contains(documented, reason) {
			t.Errorf("docs/troubleshooting.md has no row for the reason %s", reason)
		}
	}
	for _, name := range documented {
		if !slices.Contains(reasons, name) {
			t.Errorf("docs/troubleshooting.md has a row for %s, which is not a reason", name)
		}
	}
}

// readyReasons returns the values of the constants below the comment "Reasons of the
// Ready condition".
func readyReasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "devserver_conditions.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, decl := range file.Decls {
		block, ok := decl.(*ast.GenDecl)
		if !ok || !strings.HasPrefix(block.Doc.Text(), "Reasons of the Ready condition") {
			continue
		}
		ast.Inspect(block, func(n ast.Node) bool {
			if value, ok := n.(*ast.BasicLit); ok {
				reason, err := strconv.Unquote(value.Value)
				if err != nil {
					t.Fatal(err)
				}
				reasons = append(reasons, reason)
			}
			return true
		})
	}
	if len(reasons) == 0 {
		t.Fatal("devserver_conditions.go has no reasons of the Ready condition")
	}
	return reasons
}
