package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/contextcmd/store"
	"cove/internal/cli/remote"
)

// hereFlag has a command work on this machine, whatever is set, and end with the connection
// that it came by. It is what another machine's cove says.
const hereFlag = "--here"

// whereFlags are the flags that say where a command works. They stand before its name,
// because some commands have letters of their own for the same.
func (g Grammar) whereFlags(fs *pflag.FlagSet) {
	fs.StringP("host", "H", "", "the machine to do it on: ssh://[USER@]HOST[:PORT], or docker's API at unix://PATH or tcp://HOST:PORT ($COVE_HOST)")
	fs.StringP("context", "c", "", "the same by the name that 'context create' gave it ($COVE_CONTEXT)")
}

// where takes the flags that say where the command works out of a.Args. docker's
// DOCKER_HOST and DOCKER_CONTEXT say nothing here: they are for docker's client, which
// may be told to come to this machine's cove.
func (g Grammar) where(a *app.App) (remote.Endpoint, error) {
	if g.implied != nil {
		return remote.Endpoint{}, nil // they are cove's alone
	}
	given, rest, err := takeWhere(a.Args)
	if err != nil {
		return remote.Endpoint{}, err
	}
	a.Args = rest
	if given.here {
		a.Where = []string{hereFlag}
		remote.EndWithConnection()
		return remote.Endpoint{}, nil
	}
	if word := slices.IndexFunc(rest, func(s string) bool { return !strings.HasPrefix(s, "-") }); word >= 0 &&
		ownWord(rest[word]) {
		return remote.Endpoint{}, nil // it works with a broken context, too: it may mend it
	}
	host, err := given.endpoint(os.Getenv)
	if err != nil {
		return remote.Endpoint{}, err
	}
	e, err := remote.Parse(host)
	if err == nil && !e.Here() {
		a.Where = []string{"--host", host}
	}
	return e, err
}

// ownWord reports whether a command is always of this machine.
func ownWord(word string) bool {
	return slices.Contains([]string{"", "context", "help", "completion", "--help", "-h", "--version", "-v"}, word)
}

// given is what arguments say of where.
type given struct {
	host, context string
	here          bool
}

// takeWhere takes those flags out of the flags before the command's name.
func takeWhere(args []string) (g given, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		var to *string
		switch {
		case name == hereFlag && !joined:
			g.here = true
			continue
		case name == "--host" || name == "-H":
			to = &g.host
		case name == "--context" || name == "-c":
			to = &g.context
		case globalFlag(args[i]):
			rest = append(rest, args[i])
			if slices.Contains(globalValues, args[i]) && i+1 < len(args) {
				i++
				rest = append(rest, args[i])
			}
			continue
		default:
			return g, append(rest, args[i:]...), nil
		}
		if !joined {
			if i++; i == len(args) {
				return g, nil, &app.Usage{
					Command: "cove", Code: app.CodeUsage,
					Err: errdefs.Errorf(errdefs.ErrInvalid, "flag needs an argument: %s", name),
				}
			}
			value = args[i]
		}
		*to = value
	}
	return g, rest, nil
}

// endpoint is the host that is meant: that of a flag, of the environment, or of the
// context in use, in this order.
func (g given) endpoint(getenv func(string) string) (string, error) {
	name := g.context
	switch {
	case g.host != "" && g.context != "":
		return "", errdefs.Errorf(errdefs.ErrInvalid, "--host and --context exclude each other")
	case g.host != "":
		return g.host, nil
	case name == "" && getenv("COVE_HOST") != "":
		return getenv("COVE_HOST"), nil
	case name == "":
		name = getenv("COVE_CONTEXT")
	}
	contexts := store.Default(getenv)
	if name == "" {
		var err error
		if name, err = contexts.Current(); err != nil {
			return "", err
		}
	}
	c, err := contexts.Get(name)
	return c.Host(), err
}
