package main

import (
	"slices"
	"strings"
	"testing"
)

const testWords = `
# A comment.
box -> server
put out -> evicted
skip generated/: made by a program
allow docs/other.md box: quotes another project
`

func TestCheck(t *testing.T) {
	rules, err := parseRules(testWords)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file, content string
		want          []string
	}{
		"word":                   {"README.md", "A line.\nThe box, and the Box.\n", []string{"README.md:2: box → server", "README.md:2: box → server"}},
		"part of another word":   {"README.md", "busybox, toolbox, inboxes, box_size\n", nil},
		"phrase across lines":    {"README.md", "It is put\nout.\n", []string{"README.md:1: put out → evicted"}},
		"phrase across comments": {"values.yaml", "a: 1\n  # It is put\n  # out.\n", []string{"values.yaml:2: put out → evicted"}},
		"allowed in the file":    {"docs/other.md", "box, put out\n", []string{"docs/other.md:1: put out → evicted"}},
		"allowed in the line":    {"a.yaml", "name: box # wordlint:allow the name in another project\nname: box\n", []string{"a.yaml:2: box → server"}},
		"allowed for no reason":  {"a.yaml", "name: box # wordlint:allow\n", []string{"a.yaml:1: box → server"}},
		"Go names":               {"a.go", "package a\n\nvar openBox, ABox, box_1, boxed, sandbox = 1, 2, 3, 4, 5\n\nfunc HTTPBox() {}\n", []string{"a.go:3: box → server", "a.go:3: box → server", "a.go:3: box → server", "a.go:5: box → server"}},
		"words of several names": {"a.go", "package a\n\nvar put, out = 1, 2\n", nil},
		"Go comment":             {"a.go", "// Package a is put\n// out.\npackage a\n", []string{"a.go:1: put out → evicted"}},
		"Go strings":             {"a.go", "package a\n\nvar a, b = \"a\\nbox\", `box`\n", []string{"a.go:3: box → server", "a.go:3: box → server"}},
	} {
		t.Run(name, func(t *testing.T) {
			findings, err := rules.check(test.file, test.content)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range findings {
				got = append(got, f.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
	if !rules.skipped("generated/a.md") || rules.skipped("generated.md") {
		t.Error("a rule skip with a slash covers the files of the folder, and no others")
	}
}

func TestRulesNeedAReason(t *testing.T) {
	for _, text := range []string{"skip docs/", "skip docs/: ", "allow docs/ : reason", "box"} {
		if _, err := parseRules(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestWordList: the list itself can be read, and finds what it lists.
func TestWordList(t *testing.T) {
	rules, err := parseRules(wordList)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range rules.words {
		findings, err := rules.check("README.md", "It "+w.text+".")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(findings, func(f finding) bool { return f.word == w.text }) {
			t.Errorf("%q is not found", w.text)
		}
	}
}
