package v1_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExamplesApply: the API server accepts every file in examples/.
func TestExamplesApply(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples found (%v)", err)
	}
	create := try(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, document := range documents(read(t, file)) {
				if err := create(parse(t, document)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

var yamlFence = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocumentedYAMLApplies: the API server accepts every complete object in the
// documentation. Fragments, which have no apiVersion, are skipped.
func TestDocumentedYAMLApplies(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no documentation found (%v)", err)
	}
	create := try(t)
	for _, page := range append(pages, "../../README.md") {
		t.Run(filepath.Base(page), func(t *testing.T) {
			for _, fence := range yamlFence.FindAllStringSubmatch(read(t, page), -1) {
				for _, document := range documents(fence[1]) {
					if !strings.Contains(document, "apiVersion:") {
						continue
					}
					if err := create(parse(t, document)); err != nil {
						t.Errorf("%v\n%s", err, document)
					}
				}
			}
		})
	}
}

// documents splits YAML at its separators.
func documents(text string) []string {
	return regexp.MustCompile(`(?m)^---$`).Split(text, -1)
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
