package spawner

import (
	"encoding/binary"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
)

// Opcodes of the encoded terminal modes: RFC 4254, section 8.
const (
	modesEnd = 0
	// From this opcode on, the form of the arguments is not defined, so parsing
	// stops.
	modesUndefined = 160
	modeDisabled   = 255 // of a control character
)

var controlCharacters = map[byte]int{
	ssh.VINTR: unix.VINTR, ssh.VQUIT: unix.VQUIT, ssh.VERASE: unix.VERASE, ssh.VKILL: unix.VKILL,
	ssh.VEOF: unix.VEOF, ssh.VEOL: unix.VEOL, ssh.VEOL2: unix.VEOL2, ssh.VSTART: unix.VSTART,
	ssh.VSTOP: unix.VSTOP, ssh.VSUSP: unix.VSUSP, ssh.VREPRINT: unix.VREPRINT,
	ssh.VWERASE: unix.VWERASE, ssh.VLNEXT: unix.VLNEXT, ssh.VDISCARD: unix.VDISCARD,
}

var inputFlags = map[byte]uint32{
	ssh.IGNPAR: unix.IGNPAR, ssh.PARMRK: unix.PARMRK, ssh.INPCK: unix.INPCK, ssh.ISTRIP: unix.ISTRIP,
	ssh.INLCR: unix.INLCR, ssh.IGNCR: unix.IGNCR, ssh.ICRNL: unix.ICRNL, ssh.IUCLC: unix.IUCLC,
	ssh.IXON: unix.IXON, ssh.IXANY: unix.IXANY, ssh.IXOFF: unix.IXOFF, ssh.IMAXBEL: unix.IMAXBEL,
	ssh.IUTF8: unix.IUTF8,
}

var localFlags = map[byte]uint32{
	ssh.ISIG: unix.ISIG, ssh.ICANON: unix.ICANON, ssh.XCASE: unix.XCASE, ssh.ECHO: unix.ECHO,
	ssh.ECHOE: unix.ECHOE, ssh.ECHOK: unix.ECHOK, ssh.ECHONL: unix.ECHONL, ssh.NOFLSH: unix.NOFLSH,
	ssh.TOSTOP: unix.TOSTOP, ssh.IEXTEN: unix.IEXTEN, ssh.ECHOCTL: unix.ECHOCTL,
	ssh.ECHOKE: unix.ECHOKE, ssh.PENDIN: unix.PENDIN,
}

var outputFlags = map[byte]uint32{
	ssh.OPOST: unix.OPOST, ssh.OLCUC: unix.OLCUC, ssh.ONLCR: unix.ONLCR,
	ssh.OCRNL: unix.OCRNL, ssh.ONOCR: unix.ONOCR, ssh.ONLRET: unix.ONLRET,
}

// Character sizes and parity are left out because a pseudo-terminal always has
// eight bits and no parity.

// speeds has the speeds for which Linux has a constant. Other speeds are ignored
// because a pseudo-terminal has no real speed.
var speeds = map[uint32]uint32{
	50: unix.B50, 75: unix.B75, 110: unix.B110, 134: unix.B134, 150: unix.B150, 200: unix.B200,
	300: unix.B300, 600: unix.B600, 1200: unix.B1200, 1800: unix.B1800, 2400: unix.B2400,
	4800: unix.B4800, 9600: unix.B9600, 19200: unix.B19200, 38400: unix.B38400,
	57600: unix.B57600, 115200: unix.B115200, 230400: unix.B230400,
}

// applyModes sets a terminal to the modes of the client's terminal.
func applyModes(terminal *os.File, encoded string) error {
	return descriptor.Use(terminal, func(fd int) error {
		termios, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		decodeModes(termios, encoded)
		return unix.IoctlSetTermios(fd, unix.TCSETS, termios)
	})
}

// decodeModes applies the client's modes that it knows, and ignores the others.
func decodeModes(termios *unix.Termios, encoded string) {
	modes := []byte(encoded)
	for len(modes) >= 5 && modes[0] != modesEnd && modes[0] < modesUndefined {
		applyMode(termios, modes[0], binary.BigEndian.Uint32(modes[1:5]))
		modes = modes[5:]
	}
}

func applyMode(termios *unix.Termios, opcode byte, value uint32) {
	if index, ok := controlCharacters[opcode]; ok {
		termios.Cc[index] = byte(value)
		if value == modeDisabled {
			termios.Cc[index] = 0 // _POSIX_VDISABLE on Linux
		}
		return
	}
	if opcode == ssh.TTY_OP_ISPEED || opcode == ssh.TTY_OP_OSPEED {
		if speed, ok := speeds[value]; ok {
			termios.Cflag = (termios.Cflag &^ unix.CBAUD) | speed
			termios.Ispeed, termios.Ospeed = speed, speed
		}
		return
	}
	setFlag(&termios.Iflag, inputFlags[opcode], value)
	setFlag(&termios.Lflag, localFlags[opcode], value)
	setFlag(&termios.Oflag, outputFlags[opcode], value)
}

func setFlag(flags *uint32, flag, value uint32) {
	if value != 0 {
		*flags |= flag
		return
	}
	*flags &^= flag
}
