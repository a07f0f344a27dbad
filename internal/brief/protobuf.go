package brief

import (
	"bytes"
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// The way from a watch's event to its object's managed fields, by the numbers
// of the fields in the messages of k8s.io/apimachinery: pkg/apis/meta/v1 and
// pkg/runtime. An object's metadata is its first field.
var managedFields = [...]protowire.Number{
	0: 2, // WatchEvent.object, a RawExtension
	1: 1, // RawExtension.raw, which is magic and an Unknown
	2: 2, // Unknown.raw, the object
	3: 1, // metadata
	4: 17,
}

// unknown is the step on that way before whose message there is magic.
const unknown = 2

var magic = []byte("k8s\x00")

// cutter takes managed fields out of events in protobuf. Its memory is used
// again.
type cutter struct {
	messages [len(managedFields)][]byte
	out      []byte
}

// frame returns the event without them, with its length before it. What is no
// event stays as it is, for whoever decodes it to say so.
func (c *cutter) frame(frame []byte) []byte {
	short, ok := c.message(frame[headerBytes:], 0)
	if !ok {
		return frame
	}
	c.out = binary.BigEndian.AppendUint32(c.out[:0], uint32(len(short)))
	c.out = append(c.out, short...)
	return c.out
}

// message returns a message without what is at the end of the way from it.
func (c *cutter) message(text []byte, step int) (short []byte, ok bool) {
	out := c.messages[step][:0]
	for len(text) > 0 {
		number, kind, n := protowire.ConsumeTag(text)
		if n < 0 {
			return nil, false
		}
		length := protowire.ConsumeFieldValue(number, kind, text[n:])
		if length < 0 {
			return nil, false
		}
		switch last := step == len(managedFields)-1; {
		case number != managedFields[step] || kind != protowire.BytesType:
			out = append(out, text[:n+length]...)
		case !last:
			inner, _ := protowire.ConsumeBytes(text[n:])
			if out, ok = c.field(out, number, inner, step+1); !ok {
				return nil, false
			}
		}
		text = text[n+length:]
	}
	c.messages[step] = out
	return out, true
}

// field appends a field whose message, from a step on, is made short.
func (c *cutter) field(out []byte, number protowire.Number, inner []byte, step int) ([]byte, bool) {
	var prefix []byte
	if step == unknown {
		prefix = magic
	}
	message, ok := bytes.CutPrefix(inner, prefix)
	if !ok {
		return nil, false
	}
	short, ok := c.message(message, step)
	if !ok {
		return nil, false
	}
	out = protowire.AppendTag(out, number, protowire.BytesType)
	out = protowire.AppendVarint(out, uint64(len(prefix)+len(short)))
	return append(append(out, prefix...), short...), true
}
