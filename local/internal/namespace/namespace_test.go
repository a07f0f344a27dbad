package namespace

import (
	"reflect"
	"testing"
)

func TestParseMounts(t *testing.T) {
	const table = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
90 22 0:4 net:[4026532289] /run/netns/devserver-a rw shared:7 - nsfs nsfs rw
91 22 0:40 / /mnt/with\040blank rw master:1 - tmpfs none rw
a line that is none
`
	want := []mount{{"/", "ext4"}, {"/run/netns/devserver-a", "nsfs"}, {"/mnt/with blank", "tmpfs"}}
	if got := parseMounts(table); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
