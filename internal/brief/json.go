package brief

import "bytes"

// All of this reads JSON as API servers write it: without blanks, and each key
// once. What is none stays as it is, for whoever decodes it to say so.

// withoutManagedFields takes the managed fields out of a watch's event, in place.
func withoutManagedFields(event []byte) []byte {
	object, ok := member(event, 0, "object")
	if !ok {
		return event
	}
	metadata, ok := member(event, object.value, "metadata")
	if !ok {
		return event
	}
	fields, ok := member(event, metadata.value, "managedFields")
	if !ok {
		return event
	}
	from, to := fields.key, fields.end
	switch {
	case event[to] == ',':
		to++
	case event[from-1] == ',':
		from--
	}
	return append(event[:from], event[to:]...)
}

// identity appends what is left of an object when nothing is kept but what it is.
func identity(out, object []byte) (short []byte, ok bool) {
	metadata, ok := member(object, 0, "metadata")
	if !ok {
		return nil, false
	}
	out = append(out, '{')
	for _, name := range []string{"apiVersion", "kind"} {
		m, ok := member(object, 0, name)
		if !ok {
			return nil, false
		}
		out = append(append(out, object[m.key:m.end]...), ',')
	}
	out = append(out, `"metadata":{`...)
	for _, name := range []string{"name", "namespace", "uid", "resourceVersion", "generation"} {
		if m, ok := member(object, metadata.value, name); ok {
			out = append(append(out, object[m.key:m.end]...), ',')
		}
	}
	return append(bytes.TrimSuffix(out, []byte{','}), "}}"...), true
}

// found is where a member of an object lies: its key, its value, and what follows.
type found struct{ key, value, end int }

// member finds a member of the object that begins at i. The text goes on after
// each member that is found.
func member(text []byte, i int, name string) (found, bool) {
	if i >= len(text) || text[i] != '{' {
		return found{}, false
	}
	for {
		key := i + 1
		if key >= len(text) || text[key] != '"' {
			return found{}, false
		}
		colon := stringEnd(text, key)
		if colon < 0 || colon+1 >= len(text) || text[colon] != ':' {
			return found{}, false
		}
		end := valueEnd(text, colon+1)
		if end < 0 || end >= len(text) {
			return found{}, false
		}
		if string(text[key+1:colon-1]) == name {
			return found{key, colon + 1, end}, true
		}
		if i = end; text[i] != ',' {
			return found{}, false
		}
	}
}

// valueEnd is what follows the value that begins at i; -1 where it has no end.
func valueEnd(text []byte, i int) int {
	for level := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			level++
		case '}', ']':
			if level--; level < 0 {
				return i // of a number, or a word
			}
			if level == 0 {
				return i + 1
			}
		case ',':
			if level == 0 {
				return i
			}
		case '"':
			end := stringEnd(text, i)
			if end < 0 || level == 0 {
				return end
			}
			i = end - 1
		}
	}
	return -1
}

// stringEnd is what follows the string that begins at i; -1 where it has no end.
func stringEnd(text []byte, i int) int {
	for i++; ; i++ {
		quote := bytes.IndexByte(text[i:], '"')
		if quote < 0 {
			return -1
		}
		i += quote
		escapes := 0
		for text[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}
