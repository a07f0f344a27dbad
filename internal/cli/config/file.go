package config

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"devserver.io/devserver/internal/cli/dotfile"
)

// file is the file with the user's comments and order, which a change keeps.
type file struct {
	path     string
	document yaml.Node
}

func parse(path string, text string) (*file, error) {
	f := &file{path: path}
	if err := yaml.Unmarshal([]byte(text), &f.document); err != nil {
		return nil, fmt.Errorf("the configuration %s cannot be read: %w: fix or remove it", path, err)
	}
	if f.document.Kind == 0 { // It is empty, or has only comments.
		f.document = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
		f.document.HeadComment = strings.TrimSpace(text)
	}
	if root := f.document.Content[0]; root.Kind != yaml.MappingNode {
		return nil, f.fault(root, errors.New("it must have lines of the form SETTING: VALUE"))
	}
	return f, nil
}

// fault is an error with the file and line.
func (f *file) fault(at *yaml.Node, err error) error {
	return fmt.Errorf("the configuration %s, line %d: %w", f.path, max(1, at.Line), err)
}

// entries are the settings in the file: keys and values in turn.
func (f *file) entries() []*yaml.Node { return f.document.Content[0].Content }

// config reads and checks all settings in the file.
func (f *file) config() (Config, error) {
	var c Config
	seen, entries := map[string]bool{}, f.entries()
	for i := 0; i+1 < len(entries); i += 2 {
		key, value := entries[i], entries[i+1]
		s, err := find(key.Value)
		if err == nil && seen[s.name] {
			err = fmt.Errorf("%s is set twice", s.name)
		}
		if err == nil && value.Kind != yaml.ScalarNode {
			err = fmt.Errorf("%s must be one value", s.name)
		}
		if err != nil {
			return Config{}, f.fault(key, err)
		}
		seen[s.name] = true
		if value.Tag == "!!null" {
			continue // "key:" without a value
		}
		if err := s.check(value.Value); err != nil {
			return Config{}, f.fault(value, fmt.Errorf("%s %w", s.name, err))
		}
		*s.field(&c) = value.Value
	}
	var err error
	c.Key, err = dotfile.Expand(c.Key)
	return c, err
}

// set sets a value, in the place of the old one if it exists.
func (f *file) set(s setting, value string) error {
	if err := s.check(value); err != nil {
		return fmt.Errorf("%s %w", s.name, err)
	}
	node := &yaml.Node{}
	node.SetString(value)
	root, entries := f.document.Content[0], f.entries()
	for i := 0; i+1 < len(entries); i += 2 {
		if entries[i].Value == s.name {
			node.LineComment = entries[i+1].LineComment
			entries[i+1] = node
			return nil
		}
	}
	key := &yaml.Node{}
	key.SetString(s.name)
	root.Content = append(root.Content, key, node)
	return nil
}

// unset removes a setting, and tells whether it was set. It also removes a name that
// is not a setting.
func (f *file) unset(name string) (found bool) {
	root := f.document.Content[0]
	for i := 0; i+1 < len(root.Content); {
		if root.Content[i].Value != name {
			i += 2
			continue
		}
		found = true
		root.Content = append(root.Content[:i], root.Content[i+2:]...)
	}
	return found
}

// write replaces the file.
func (f *file) write() error {
	text, err := f.text()
	if err == nil {
		err = dotfile.Write(f.path, string(text))
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// text is the content of the file. Without settings, YAML would write "{}".
func (f *file) text() ([]byte, error) {
	if len(f.entries()) > 0 {
		return yaml.Marshal(&f.document)
	}
	if f.document.HeadComment == "" {
		return nil, nil
	}
	return []byte(f.document.HeadComment + "\n"), nil
}
