package spawner

import (
	"io"
	"os"
	"path/filepath"
)

const maxMotdBytes = 32 << 10

// greeting returns the message of the day and a line about the server's resources, and
// a warning if the home volume is full. Like login(1), it leaves out the first two if
// the user has asked for quiet logins.
func (s *Server) greeting(a *account) string {
	home := a.home()
	var text string
	if _, err := os.Stat(filepath.Join(home, ".hushlogin")); err != nil {
		text = motd(s.cfg.MotdFile)
		if line := s.cfg.Usage(); line != "" {
			text += line + "\n"
		}
	}
	if room, err := RoomOf(home); err == nil && home == s.cfg.Environment.Home {
		text += fullHome(room)
	}
	return text
}

// motd returns the message of the day. It is empty if the file does not exist.
func motd(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	text, _ := io.ReadAll(io.LimitReader(file, maxMotdBytes)) // after an error, the part before it is printed
	return string(text)
}
