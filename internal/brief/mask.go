package brief

import (
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"k8s.io/apimachinery/pkg/runtime"
)

// Mask says what is left of an object in protobuf, or of a message in one. The
// zero Mask leaves everything.
type Mask struct {
	// fields has masks of the fields whose messages are made short themselves.
	fields map[protowire.Number]*Mask
	// only is set where fields without a mask are left out.
	only bool
	// prefix stands before the message, and stays there.
	prefix []byte
	// raw is set where the message becomes a string as it is: the fields, each in
	// the one before it, that lead there from the message around it.
	raw []protowire.Number
}

func (m *Mask) nothing() bool { return m.only && len(m.fields) == 0 }

func (m *Mask) everything() bool {
	return !m.only && len(m.fields) == 0 && len(m.prefix) == 0 && len(m.raw) == 0
}

// withoutManagedFields is the mask without them too.
func (m *Mask) withoutManagedFields() Mask {
	metadata := m.fields[objectMetadata]
	if m.only && metadata == nil || metadata != nil && !metadata.everything() {
		return *m // They are not among what it leaves.
	}
	without := Mask{only: m.only, fields: maps.Clone(m.fields)}
	if without.fields == nil {
		without.fields = map[protowire.Number]*Mask{}
	}
	without.fields[objectMetadata] = &Mask{fields: map[protowire.Number]*Mask{metadataManagedFields: {only: true}}}
	return without
}

// Only leaves of an object those of its fields that are named, whole. A field in a
// field is named with a dot between them, by their names in protobuf, which are
// those in JSON but for fields that have none there, such as the volumeSource of a
// volume. It panics where the object has no such field.
func Only(object runtime.Object, fields ...string) Mask {
	var mask Mask
	for _, field := range fields {
		mask.add(reflect.TypeOf(object).Elem(), strings.Split(field, "."))
	}
	return mask
}

// Raw leaves all of an object, but one of its messages as a string that nobody
// decodes: its text in protobuf, which Unmarshal reads. Both are named as in Only,
// the string by the fields that lead to it from the message around the other. It
// panics where there are no such fields.
func Raw(object runtime.Object, message, text string) Mask {
	var mask Mask
	at, around := &mask, reflect.TypeOf(object).Elem()
	path := strings.Split(message, ".")
	for i, name := range path {
		number, inner := field(around, name)
		next := &Mask{}
		at.fields = map[protowire.Number]*Mask{number: next}
		if at = next; i < len(path)-1 {
			around = inner
		}
	}
	for name := range strings.SplitSeq(text, ".") {
		number, inner := field(around, name)
		at.raw, around = append(at.raw, number), inner
	}
	if around.Kind() != reflect.String {
		panic(fmt.Sprintf("bug: %q of a %T is no string", text, object))
	}
	return mask
}

// add leaves a field of a message as well.
func (m *Mask) add(message reflect.Type, path []string) {
	if len(path) == 0 {
		*m = Mask{}
		return
	}
	number, inner := field(message, path[0])
	mask := m.fields[number]
	switch {
	case mask == nil:
		if m.fields == nil {
			m.only, m.fields = true, map[protowire.Number]*Mask{}
		}
		mask = &Mask{}
		m.fields[number] = mask
	case mask.everything():
		return
	}
	mask.add(inner, path[1:])
}

// field finds a field of a message by what its Go type has generated beside it.
func field(message reflect.Type, name string) (protowire.Number, reflect.Type) {
	for message.Kind() == reflect.Pointer || message.Kind() == reflect.Slice {
		message = message.Elem()
	}
	if message.Kind() == reflect.Struct {
		for f := range message.Fields() {
			// Such as "bytes,2,opt,name=spec".
			parts := strings.Split(f.Tag.Get("protobuf"), ",")
			if len(parts) < 4 || parts[3] != "name="+name {
				continue
			}
			if number, err := strconv.Atoi(parts[1]); err == nil {
				return protowire.Number(number), f.Type
			}
		}
	}
	panic(fmt.Sprintf("bug: a %s has no field %q in protobuf", message, name))
}
