package main

import (
	"fmt"
	"go/scanner"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// finding is a word where it should not be.
type finding struct {
	file    string
	line    int
	word    string
	instead string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s → %s", f.file, f.line, f.word, f.instead)
}

// rules are the content of words.txt.
type rules struct {
	words []word
	// skip are files and folders that are not checked.
	skip []string
	// allow are words by the file or folder that may have them.
	allow map[string][]string
}

type word struct {
	text, instead string
	pattern       *regexp.Regexp
}

// between matches what separates the words of a phrase: white space, and the marks
// of a comment or quotation at the start of the next line.
const between = `(?:[ \t]+|[ \t]*\n[ \t]*(?://|#|>|\*)?[ \t]*)`

// marker allows the words of its line, for a reason that follows it.
var marker = regexp.MustCompile(`wordlint:allow[ \t]+\w`)

func parseRules(text string) (*rules, error) {
	r := &rules{allow: map[string][]string{}}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if bad, instead, ok := strings.Cut(line, " -> "); ok {
			quoted := strings.Join(strings.Fields(regexp.QuoteMeta(bad)), between)
			r.words = append(r.words, word{bad, instead, regexp.MustCompile(`(?i)\b` + quoted + `\b`)})
			continue
		}
		rule, reason, ok := strings.Cut(line, ": ")
		kind, rest, _ := strings.Cut(rule, " ")
		file, allowed, _ := strings.Cut(rest, " ")
		switch {
		case !ok || strings.TrimSpace(reason) == "":
			return nil, fmt.Errorf("words.txt:%d: a rule ends with \": REASON\": %s", n+1, line)
		case kind == "skip" && file != "" && allowed == "":
			r.skip = append(r.skip, file)
		case kind == "allow" && file != "" && allowed != "":
			r.allow[file] = append(r.allow[file], allowed)
		default:
			return nil, fmt.Errorf("words.txt:%d: not a rule: %s", n+1, line)
		}
	}
	return r, nil
}

// covers reports whether a path in words.txt is that of a file, or of its folder.
func covers(rule, file string) bool {
	return rule == file || (strings.HasSuffix(rule, "/") && strings.HasPrefix(file, rule))
}

func (r *rules) skipped(file string) bool {
	return slices.ContainsFunc(r.skip, func(rule string) bool { return covers(rule, file) })
}

func (r *rules) allowed(file, word string) bool {
	for rule, words := range r.allow {
		if covers(rule, file) && slices.Contains(words, word) {
			return true
		}
	}
	return false
}

// check returns what is wrong in a file, in the order of its lines.
func (r *rules) check(file, content string) ([]finding, error) {
	texts := []string{content}
	if path.Ext(file) == ".go" {
		prose, names, err := split(file, content)
		if err != nil {
			return nil, err
		}
		texts = []string{prose, names}
	}
	lines := strings.Split(content, "\n")
	var findings []finding
	for _, w := range r.words {
		if r.allowed(file, w.text) {
			continue
		}
		for _, text := range texts {
			for _, at := range w.pattern.FindAllStringIndex(text, -1) {
				n := strings.Count(text[:at[0]], "\n")
				if !marker.MatchString(lines[n]) {
					findings = append(findings, finding{file, n + 1, w.text, w.instead})
				}
			}
		}
	}
	slices.SortStableFunc(findings, func(a, b finding) int { return a.line - b.line })
	return findings, nil
}

// split returns the comments and strings of Go code, and its names as words on the
// same lines: "func openBox" is "open Box".
func split(file, content string) (prose, names string, err error) {
	blank := []byte(content)
	for i, b := range blank {
		if b != '\n' {
			blank[i] = ' '
		}
	}
	// An escaped line break or tab is no part of the next word.
	escapes := strings.NewReplacer(`\n`, `  `, `\t`, `  `)
	var words strings.Builder
	var errs scanner.ErrorList
	var s scanner.Scanner
	source := token.NewFileSet().AddFile(file, -1, len(content))
	s.Init(source, []byte(content), errs.Add, scanner.ScanComments)
	for lines := 0; ; {
		pos, kind, literal := s.Scan()
		switch kind {
		case token.EOF:
			return string(blank), words.String(), errs.Err()
		case token.COMMENT, token.STRING:
			copy(blank[source.Offset(pos):], escapes.Replace(literal))
		case token.IDENT:
			before := source.Line(pos) - 1
			words.WriteString(strings.Repeat("\n", before-lines) + ". " + spaced(literal))
			lines = before
		}
	}
}

// humps are where a new word of a name begins.
var humps = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])|_`)

// spaced writes the words of a name with spaces between them. The matches of one pass
// cannot overlap, so that a word of one letter takes a second one.
func spaced(name string) string {
	for range 2 {
		name = humps.ReplaceAllString(name, "$1$3 $2$4")
	}
	return name
}
