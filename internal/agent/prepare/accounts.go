package prepare

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"devserver.io/devserver/internal/agentapi"
)

// identity is the user and group that the server runs as. The prepare step runs as the
// same.
type identity struct{ uid, gid int }

// mergePasswd adds the server's user to the image's passwd. The entry comes before any
// other with the same uid, because the first one gives a uid its name: otherwise the
// user would have the name of an image's own account with uid 1000, such as "ubuntu".
// The password is "*", so none is valid. With "x", sudo and su would look for the user
// in the shadow file, not find it, and refuse.
func mergePasswd(passwd, shell string, id identity) string {
	if strings.TrimSpace(passwd) == "" {
		passwd = "root:x:0:0:root:/root:" + shell + "\n"
	}
	entry := fmt.Sprintf("%s:*:%d:%d::%s:%s", agentapi.User, id.uid, id.gid, agentapi.Home, shell)
	return merge(passwd, entry, strconv.Itoa(id.uid))
}

// mergeGroup does the same for the user's group.
func mergeGroup(group string, id identity) string {
	if strings.TrimSpace(group) == "" {
		group = "root:x:0:\n"
	}
	return merge(group, fmt.Sprintf("%s:x:%d:", agentapi.User, id.gid), strconv.Itoa(id.gid))
}

// merge removes entries with the same name from text, and inserts entry before the
// first one with the id, or at the end. Other lines do not change.
func merge(text, entry, id string) string {
	name, _, _ := strings.Cut(entry, ":")
	lines := slices.DeleteFunc(strings.Split(strings.TrimRight(text, "\n"), "\n"), func(line string) bool {
		return strings.HasPrefix(line, name+":")
	})
	at := slices.IndexFunc(lines, func(line string) bool {
		// Entries such as "+::::::" pass the lookup on to NIS.
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
			return true
		}
		fields := strings.Split(line, ":")
		return len(fields) > 2 && fields[2] == id
	})
	if at < 0 {
		at = len(lines)
	}
	return strings.Join(slices.Insert(lines, at, entry), "\n") + "\n"
}
