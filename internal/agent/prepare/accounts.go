package prepare

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"devserver.io/devserver/internal/agentapi"
)

// identity is who the box runs as: this step runs as the same.
type identity struct{ uid, gid int }

// mergePasswd puts the box's user into the image's passwd. The entry stands
// before any other with its uid, because a name is looked up by the first
// entry that matches: an image's own "ubuntu" with uid 1000 would otherwise be
// who the user is. There is no password: "*" says so here, where "x" would send
// sudo and su to a shadow file that does not know the user, and they refuse then.
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

// merge removes entries of the same name from text and inserts entry before
// the first that has the id, else at the end. Other lines stay as they are.
func merge(text, entry, id string) string {
	name, _, _ := strings.Cut(entry, ":")
	lines := slices.DeleteFunc(strings.Split(strings.TrimRight(text, "\n"), "\n"), func(line string) bool {
		return strings.HasPrefix(line, name+":")
	})
	at := slices.IndexFunc(lines, func(line string) bool {
		// "+::::::" and its like hand the lookup on to NIS.
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
