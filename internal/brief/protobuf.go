package brief

import (
	"bytes"
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

var magic = []byte("k8s\x00")

// The numbers of fields in the messages of k8s.io/apimachinery: pkg/apis/meta/v1
// and pkg/runtime. An object's metadata is its first field.
const (
	eventObject           protowire.Number = 2 // WatchEvent.object, a RawExtension
	rawExtensionRaw       protowire.Number = 1 // RawExtension.raw, which is magic and an Unknown
	unknownRaw            protowire.Number = 2 // Unknown.raw, the object
	objectMetadata        protowire.Number = 1
	metadataManagedFields protowire.Number = 17
)

// cutter makes events in protobuf short. Its memory is used again.
type cutter struct {
	event Mask
	out   []byte
}

// newCutter leaves of an event's object what the mask says, and never the managed
// fields.
func newCutter(object Mask) *cutter {
	object = object.withoutManagedFields()
	unknown := &Mask{prefix: magic, fields: map[protowire.Number]*Mask{unknownRaw: &object}}
	extension := &Mask{fields: map[protowire.Number]*Mask{rawExtensionRaw: unknown}}
	return &cutter{event: Mask{fields: map[protowire.Number]*Mask{eventObject: extension}}}
}

// frame returns what is left of an event, with its length before it. What is no
// event stays as it is, for whoever decodes it to say so.
func (c *cutter) frame(frame []byte) []byte {
	out, ok := c.event.append(append(c.out[:0], frame[:headerBytes]...), frame[headerBytes:])
	if !ok {
		return frame
	}
	c.out = out
	binary.BigEndian.PutUint32(out, uint32(len(out)-headerBytes))
	return out
}

// append appends what is left of a message.
func (m *Mask) append(out, message []byte) (longer []byte, ok bool) {
	message, ok = bytes.CutPrefix(message, m.prefix)
	if !ok {
		return nil, false
	}
	out = append(out, m.prefix...)
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return nil, false
		}
		length := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if length < 0 {
			return nil, false
		}
		field := message[:tag+length]
		message = message[tag+length:]
		switch inner := m.fields[number]; {
		case inner == nil && m.only, inner != nil && inner.nothing():
		case inner == nil || kind != protowire.BytesType || inner.everything():
			out = append(out, field...)
		default:
			value, _ := protowire.ConsumeBytes(field[tag:])
			if len(inner.raw) > 0 {
				out = appendAt(out, inner.raw, value)
				continue
			}
			if out, ok = inner.appendValue(append(out, field[:tag]...), value); !ok {
				return nil, false
			}
		}
	}
	return out, true
}

// appendAt appends a text in a field that is in others. They may be there before:
// what stands in one message more than once is put together.
func appendAt(out []byte, path []protowire.Number, text []byte) []byte {
	out = protowire.AppendTag(out, path[0], protowire.BytesType)
	if len(path) == 1 {
		return protowire.AppendBytes(out, text)
	}
	out = protowire.AppendVarint(out, uint64(sizeAt(path[1:], len(text))))
	return appendAt(out, path[1:], text)
}

func sizeAt(path []protowire.Number, size int) int {
	if len(path) > 1 {
		size = sizeAt(path[1:], size)
	}
	return protowire.SizeTag(path[0]) + protowire.SizeBytes(size)
}

// appendValue appends what is left of a message in a field, after its length.
func (m *Mask) appendValue(out, message []byte) (longer []byte, ok bool) {
	// Room for the length is left first. What is left of the message may be so
	// short that its length is too.
	begin, room := len(out), protowire.SizeVarint(uint64(len(message)))
	out, ok = m.append(append(out, make([]byte, room)...), message)
	if !ok {
		return nil, false
	}
	left := out[begin+room:]
	length := protowire.SizeVarint(uint64(len(left)))
	protowire.AppendVarint(out[:begin], uint64(len(left)))
	copy(out[begin+length:], left)
	return out[:begin+length+len(left)], true
}
