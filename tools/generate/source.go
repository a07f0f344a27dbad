package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// source is what the reference takes from the API's Go code instead of the schema.
type source struct {
	structs   map[string][]field
	constants []group
}

// field is a field of a struct: its name in JSON, and the name of its type or of its
// elements' type, without the package.
type field struct{ name, goType string }

// group is a block of constants with a comment, such as the reasons of a
// condition.
type group struct {
	title     string
	constants []constant
}

type constant struct{ value, meaning string }

func (s source) known(goType string) bool { _, ok := s.structs[goType]; return ok }

// readSource parses the Go files of a package.
func readSource(dir string) (source, error) {
	src := source{structs: map[string][]field{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return src, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return src, err
		}
		for _, decl := range file.Decls {
			if block, ok := decl.(*ast.GenDecl); ok {
				src.add(block)
			}
		}
	}
	if len(src.structs) == 0 {
		return src, &fs.PathError{Op: "finding types in", Path: dir, Err: fs.ErrNotExist}
	}
	return src, nil
}

func (s *source) add(block *ast.GenDecl) {
	constants := group{title: strings.TrimSpace(block.Doc.Text())}
	for _, spec := range block.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if structure, ok := spec.Type.(*ast.StructType); ok {
				s.structs[spec.Name.Name] = fieldsOf(structure)
			}
		case *ast.ValueSpec:
			if c, ok := constantOf(spec); ok && block.Tok == token.CONST {
				constants.constants = append(constants.constants, c)
			}
		}
	}
	if constants.title != "" && len(constants.constants) > 0 {
		s.constants = append(s.constants, constants)
	}
}

func fieldsOf(structure *ast.StructType) []field {
	var fields []field
	for _, f := range structure.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			continue
		}
		name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if name != "" {
			fields = append(fields, field{name, typeName(f.Type)})
		}
	}
	return fields
}

// typeName is the name of a type, or of its element type.
func typeName(expr ast.Expr) string {
	switch t := expr.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.SelectorExpr:
		return t.Sel.Name
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.ArrayType:
		return typeName(t.Elt)
	}
	return ""
}

// constantOf reads a constant with a string and a comment "Name: meaning" or
// "Name is meaning".
func constantOf(spec *ast.ValueSpec) (constant, bool) {
	if len(spec.Values) != 1 || spec.Doc == nil {
		return constant{}, false
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return constant{}, false
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return constant{}, false
	}
	meaning := strings.TrimPrefix(strings.TrimSpace(spec.Doc.Text()), spec.Names[0].Name)
	meaning = strings.TrimPrefix(meaning, ":")
	return constant{value, strings.TrimSpace(meaning)}, true
}
