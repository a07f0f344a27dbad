package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

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

// ToYAML returns a value as YAML, in which the characters that a terminal acts on are
// written as "\u202E".
func ToYAML(value any) ([]byte, error) {
	text, err := sigsyaml.Marshal(value)
	if err == nil && bytes.IndexFunc(text, acts) < 0 {
		return text, nil
	}
	// The library refuses some control characters and prints others as they are. JSON, with
	// the escape sequences of YAML, is YAML too.
	text, err = sorted(value)
	if err != nil {
		return nil, err
	}
	var all yaml.Node
	if err := yaml.Unmarshal(escape(text, yamlSequence), &all); err != nil {
		return nil, err
	}
	restyle(&all)
	var made bytes.Buffer
	encoder := yaml.NewEncoder(&made)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(&all); err != nil {
		return nil, err
	}
	return escape(made.Bytes(), yamlSequence), nil
}

// sorted returns a value as JSON, with its keys in order.
func sorted(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var parts any
	if err := decoder.Decode(&parts); err != nil {
		return nil, err
	}
	return json.Marshal(parts)
}

func yamlSequence(r rune) string {
	if r < 0x10000 {
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}

// restyle leaves the style of nodes to the encoder, and puts the strings in double quotes
// that have a character that a terminal acts on.
func restyle(node *yaml.Node) {
	node.Style = 0
	if node.Kind == yaml.ScalarNode && strings.IndexFunc(node.Value, acts) >= 0 {
		node.Style = yaml.DoubleQuotedStyle
	}
	for _, part := range node.Content {
		restyle(part)
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
