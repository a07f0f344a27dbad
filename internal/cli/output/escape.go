package output

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"

	"devserver.io/devserver/internal/printable"
)

// escapeJSON writes the characters that a terminal acts on as \u202e. In JSON, such a
// character is part of a string: others are escaped already.
func escapeJSON(text []byte) []byte {
	return escape(text, func(r rune) string {
		if high, low := utf16.EncodeRune(r); high != '\uFFFD' {
			return fmt.Sprintf(`\u%04x\u%04x`, high, low)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

// EscapeYAML writes the characters that a terminal acts on as "\u202E". A string with
// one is put in double quotes, in which alone YAML has escape sequences.
func EscapeYAML(text []byte) ([]byte, error) {
	if bytes.IndexFunc(text, acts) < 0 {
		return text, nil
	}
	var all yaml.Node
	if err := yaml.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	quote(&all)
	var quoted bytes.Buffer
	encoder := yaml.NewEncoder(&quoted)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(&all); err != nil {
		return nil, err
	}
	return escape(quoted.Bytes(), func(r rune) string {
		if r < 0x10000 {
			return fmt.Sprintf(`\u%04X`, r)
		}
		return fmt.Sprintf(`\U%08X`, r)
	}), nil
}

// quote puts the strings in double quotes that have a character that a terminal acts on.
func quote(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && strings.IndexFunc(node.Value, acts) >= 0 {
		node.Style = yaml.DoubleQuotedStyle
	}
	for _, part := range node.Content {
		quote(part)
	}
}

// acts tells whether a guard would change a character. A line feed in JSON and YAML is
// one of the format.
func acts(r rune) bool { return r != '\n' && r != ' ' && !printable.IsPrint(r) }

func escape(text []byte, sequence func(rune) string) []byte {
	if bytes.IndexFunc(text, acts) < 0 {
		return text
	}
	var all bytes.Buffer
	for _, r := range string(text) {
		if acts(r) {
			all.WriteString(sequence(r))
		} else {
			all.WriteRune(r)
		}
	}
	return all.Bytes()
}
