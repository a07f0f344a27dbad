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
	text := content
	if path.Ext(file) == ".go" {
		var err error
		if text, err = prose(file, content); err != nil {
			return nil, err
		}
	}
	lines := strings.Split(content, "\n")
	var findings []finding
	for _, w := range r.words {
		if r.allowed(file, w.text) {
			continue
		}
		for _, at := range w.pattern.FindAllStringIndex(text, -1) {
			n := strings.Count(text[:at[0]], "\n")
			if !marker.MatchString(lines[n]) {
				findings = append(findings, finding{file, n + 1, w.text, w.instead})
			}
		}
	}
	slices.SortStableFunc(findings, func(a, b finding) int { return a.line - b.line })
	return findings, nil
}

// prose blanks everything in Go code but comments and strings, and the line breaks.
func prose(file, content string) (string, error) {
	blank := []byte(content)
	for i, b := range blank {
		if b != '\n' {
			blank[i] = ' '
		}
	}
	// An escaped line break or tab is no part of the next word.
	escapes := strings.NewReplacer(`\n`, `  `, `\t`, `  `)
	var errs scanner.ErrorList
	var s scanner.Scanner
	source := token.NewFileSet().AddFile(file, -1, len(content))
	s.Init(source, []byte(content), errs.Add, scanner.ScanComments)
	for {
		pos, kind, literal := s.Scan()
		if kind == token.EOF {
			return string(blank), errs.Err()
		}
		if kind == token.COMMENT || kind == token.STRING {
			copy(blank[source.Offset(pos):], escapes.Replace(literal))
		}
	}
}
