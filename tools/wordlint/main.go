// Command wordlint finds words that this project does not use, in the texts that
// people read: Markdown, YAML, templates, scripts, and the comments, strings and names of
// Go code. The file words.txt beside it lists them, and what to say instead.
//
//	go -C tools run ./wordlint ..
//	go -C tools run ./wordlint -count ..     only the number of findings per folder
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed words.txt
var wordList string

func main() {
	count := flag.Bool("count", false, "print only the number of findings per folder")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: wordlint [-count] REPOSITORY")
		os.Exit(2)
	}
	findings, err := run(flag.Arg(0))
	if err != nil {
		fmt.Fprintf(os.Stderr, "wordlint: %v\n", err)
		os.Exit(2)
	}
	if *count {
		printCounts(findings)
	} else {
		for _, f := range findings {
			fmt.Println(f)
		}
	}
	if len(findings) > 0 {
		fmt.Fprintf(os.Stderr, "wordlint: %d findings; tools/wordlint/words.txt says how to allow a word\n", len(findings))
		os.Exit(1)
	}
}

// run checks the files of a repository that are in git, or are about to be.
func run(repository string) ([]finding, error) {
	rules, err := parseRules(wordList)
	if err != nil {
		return nil, err
	}
	list := exec.CommandContext(context.Background(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = repository
	list.Stderr = os.Stderr
	names, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the files in git: %w", err)
	}
	var findings []finding
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if !checked(name) || rules.skipped(name) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(repository, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // Deleted, and not yet committed.
		}
		if err != nil {
			return nil, err
		}
		found, err := rules.check(name, string(content))
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// checked reports whether a file has text for people.
func checked(name string) bool {
	switch path.Ext(name) {
	case ".go", ".md", ".yaml", ".yml", ".tpl", ".txtar", ".sh":
		return true
	}
	switch path.Base(name) {
	case "NOTES.txt", "Makefile":
		return true
	}
	// Scripts without an extension.
	return path.Ext(name) == "" && (strings.HasPrefix(name, "tools/") || strings.HasPrefix(name, ".ci/"))
}

// printCounts prints the findings per folder, at most two levels deep.
func printCounts(findings []finding) {
	counts := map[string]int{}
	for _, f := range findings {
		folder := strings.Split(path.Dir(f.file), "/")
		counts[strings.Join(folder[:min(2, len(folder))], "/")]++
	}
	for _, folder := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("%5d  %s\n", counts[folder], folder)
	}
}
