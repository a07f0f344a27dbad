package brief

import "bytes"

// How deep in a text its metadata lies: in an object, and in a watch's event,
// which has an object in it.
const (
	inObject = 1
	inEvent  = 2
)

// withoutManagedFields takes the member managedFields out of the object's
// metadata, in place. What is no JSON as an API server writes it, without blanks,
// stays as it is, for whoever decodes it to say so.
func withoutManagedFields(text []byte, depth int) []byte {
	metadata := false // whether this object is some metadata
	for i, level := 0, 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			level++
		case '}', ']':
			if level--; level == depth {
				metadata = false
			}
		case '"':
			end := stringEnd(text, i)
			if end < 0 {
				return text
			}
			if end < len(text) && text[end] == ':' {
				switch {
				case level == depth:
					metadata = string(text[i:end]) == `"metadata"`
				case level == depth+1 && metadata && string(text[i:end]) == `"managedFields"`:
					return cut(text, i, valueEnd(text, end+1))
				}
			}
			i = end - 1
		}
	}
	return text
}

// cut takes out a member and the comma that parts it from another.
func cut(text []byte, from, to int) []byte {
	switch {
	case to < 0 || to >= len(text):
		return text
	case text[to] == ',':
		to++
	case text[from-1] == ',':
		from--
	}
	return append(text[:from], text[to:]...)
}

// valueEnd is where the list or object ends that begins at i; -1 where there is
// none, or it has no end.
func valueEnd(text []byte, i int) int {
	for level := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			level++
		case '}', ']':
			level--
		case '"':
			if i = stringEnd(text, i) - 1; i < 0 {
				return -1
			}
		}
		if level == 0 {
			if text[i] == '}' || text[i] == ']' {
				return i + 1
			}
			return -1
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
