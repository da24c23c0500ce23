// Package remote does commands on another machine: by that machine's cove, which ssh
// executes with the same words, or by docker's client where only docker's API is.
package remote

import (
	"net/url"
	"os"
	"os/exec"
	"strings"
	"unicode"

	"cove/errdefs"
)

// Endpoint is where commands are done. The zero value is this machine.
type Endpoint struct {
	text   string
	scheme string
	// user, host and port are those of ssh.
	user, host, port string
}

// Here reports whether the endpoint is this machine's cove.
func (e Endpoint) Here() bool { return e.scheme == "" }

// String is the endpoint as it was given.
func (e Endpoint) String() string { return e.text }

// Parse reads ssh://[USER@]HOST[:PORT], and addresses of docker's API: unix://PATH
// and tcp://HOST:PORT. "" is this machine. What could be an option of ssh instead of a
// name is errdefs.ErrInvalid (CVE-2017-1000117 was one), as is a password, which
// every user of the machine would see.
func Parse(text string) (Endpoint, error) {
	if text == "" {
		return Endpoint{}, nil
	}
	invalid := func(why string) (Endpoint, error) {
		return Endpoint{}, errdefs.Errorf(errdefs.ErrInvalid,
			"the host %q %s; it is ssh://[USER@]HOST[:PORT], unix://PATH or tcp://HOST:PORT", text, why)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return invalid("has spaces or control characters")
	}
	u, err := url.Parse(text)
	if err != nil {
		return invalid("is no URL")
	}
	e := Endpoint{text: text, scheme: u.Scheme, user: u.User.Username(), host: u.Hostname(), port: u.Port()}
	_, password := u.User.Password()
	switch {
	case u.Scheme == "unix" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return e, nil
	case u.Scheme == "tcp" && u.Hostname() != "" && (u.Path == "" || u.Path == "/") && u.User == nil:
		return e, nil
	case u.Scheme != "ssh":
		return invalid("has another form")
	case e.host == "":
		return invalid("names no machine")
	case password:
		return invalid("has a password, which others could see: use a key")
	case strings.HasPrefix(e.host, "-"), strings.HasPrefix(e.user, "-"):
		return invalid("has a name that begins with a dash")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return invalid("has more than a machine: a root of its own is --root PATH")
	}
	return e, nil
}

// ssh is the command line that executes words there. With a terminal, the other side
// has one too, and this side's keys and size. No name can be taken for an option.
func (e Endpoint) ssh(terminal bool, options []string, words []string) []string {
	argv := []string{"ssh", "-o", "ConnectTimeout=30"}
	if terminal {
		argv = append(argv, "-t", "-e", "none", "-o", "LogLevel=ERROR") // which does not say that the connection closed
	} else {
		argv = append(argv, "-T")
	}
	argv = append(argv, options...)
	if e.user != "" {
		argv = append(argv, "-l", e.user)
	}
	if e.port != "" {
		argv = append(argv, "-p", e.port)
	}
	return append(argv, "--", e.host, command(words))
}

// command is a line for the shell of the other side: cove, which works there whatever
// contexts are set there, and ends with the connection.
func command(words []string) string {
	line := []string{"cove", "--here"}
	for _, w := range words {
		line = append(line, quote(w))
	}
	return strings.Join(line, " ")
}

// quote makes one word of a text for any POSIX shell: within single quotes nothing has
// a meaning but their end.
func quote(s string) string {
	plain := func(r rune) bool {
		letter := r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r))
		return letter || strings.ContainsRune("-_./:,=@%+", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// program finds ssh or docker's client, which is not this program under its name.
func program(name, why string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "%s needs the program %s: %w", why, name, err)
	}
	own, err := os.Executable()
	if err != nil {
		return path, nil //nolint:nilerr // it cannot be told apart, and so is another
	}
	a, errA := os.Stat(own)
	b, errB := os.Stat(path)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "%s needs docker's own client, and %s is cove", why, path)
	}
	return path, nil
}
