// Package apicmd holds the commands about docker's API. It is linked by cmd/cove-api
// alone, so that no other binary has the weight of a server.
package apicmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cove/engine/api"
	"cove/engine/api/listen"
	"cove/engine/api/route"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// defaultSocket is where clients find the API when nothing else is said.
const defaultSocket = "/run/cove/docker.sock"

// Noun is the group of these commands.
func Noun(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "api COMMAND", Short: "Serve docker's API, for docker's own clients"})
	noun.AddCommand(serve(a), installCommand(a), uninstallCommand(a))
	return noun
}

// restAfter is how long nobody asks until the server gives memory back.
const restAfter = 2 * time.Second

// garbage is how much the server lets lie, in percent of what it needs. That is so little
// that a list of a hundred containers would have it all looked through each time; it is
// given back at rest.
const garbage = 400

type serveFlags struct {
	socket, tcp string
	owner       listen.Owner
	certs       listen.Certificates
	allow       []string
	untilEOF    bool
	idle        time.Duration
}

func serve(a *app.App) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use: "serve [flags]", Short: "Serve docker's Engine API on a socket, until interrupted", Args: app.NoArgs(),
		Long: `Serve docker's Engine API, for docker, docker compose and everything else that speaks it.

Whoever may use the socket can start any container, and so is root on this machine.
--allow makes a socket that does less; a container that is given a socket should be
given one of those. The server owns nothing: it may be stopped and started again while
containers run on. A socket that systemd opened is served instead of --socket.`,
		Example: `  serve --socket /run/docker.sock --group docker
  serve --socket /run/cove/read.sock --allow read,events
  serve --tcp :2376 --tlscacert ca.pem --tlscert cert.pem --tlskey key.pem`,
	}
	f.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		access, err := route.ParseAccess(f.allow)
		if err == nil {
			err = f.check(cmd)
		}
		if err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		listeners, err := f.listen(cmd)
		if err != nil {
			return err
		}
		for _, l := range listeners {
			fmt.Fprintf(a.Err, "serving docker's API %s on %s (allowed: %s)\n", api.Newest(), addressOf(l), access)
		}
		ctx := cmd.Context()
		if f.untilEOF {
			ctx = untilEOF(ctx, a.In)
		}
		debug.SetGCPercent(garbage)
		handler := api.Resting(api.Handler(ctx, eng, access), restAfter, func() {
			_ = api.GiveBack() // what cannot be given back stays
		})
		if f.idle > 0 {
			handler = api.NewIdle(handler, f.idle)
		}
		return app.Left(cmd.Context(), api.Serve(ctx, handler, listeners...))
	}
	return cmd
}

// register names the flags.
func (f *serveFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.socket, "socket", defaultSocket, "serve on this unix socket; \"\" for none")
	fs.StringVar(&f.owner.User, "user", "", "owner of the socket: NAME or UID (default: who serves it)")
	fs.StringVar(&f.owner.Group, "group", "", "group whose members may use the socket: NAME or GID (default: root alone)")
	fs.StringArrayVar(&f.allow, "allow", nil,
		"what may be done: read, events, images, build, label=KEY=VALUE (to containers that have it), all; may repeat")
	fs.StringVar(&f.tcp, "tcp", "", "also serve on HOST:PORT, to clients that have a certificate")
	fs.StringVar(&f.certs.CA, "tlscacert", "", "authority that has signed the clients' certificates")
	fs.StringVar(&f.certs.Cert, "tlscert", "", "certificate of this server")
	fs.StringVar(&f.certs.Key, "tlskey", "", "its key")
	fs.DurationVar(&f.idle, "idle", 0, "end when nothing was asked for so long, as 5m: systemd starts it again (default: never)")
	fs.Lookup("idle").DefValue = ""
	fs.BoolVar(&f.untilEOF, "until-eof", false, "end when standard input does: with the program that started this")
}

// untilEOF is a context that ends when nothing more is to be read.
func untilEOF(ctx context.Context, in io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in) // what cannot be read has ended
	}()
	return ctx
}

// addressOf is how DOCKER_HOST names a listener.
func addressOf(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix://" + l.Addr().String()
	}
	return "tcp://" + l.Addr().String()
}

// check refuses flags that would say nothing beside the others.
func (f *serveFlags) check(cmd *cobra.Command) error {
	certs := 0
	for _, name := range []string{"tlscacert", "tlscert", "tlskey"} {
		if cmd.Flags().Changed(name) {
			certs++
		}
	}
	var err error
	switch {
	case f.socket == "" && f.owner != (listen.Owner{}):
		err = errors.New("--user and --group are of a --socket, and there is none")
	case f.tcp == "" && certs > 0:
		err = errors.New("certificates are for --tcp HOST:PORT, which is not given")
	case f.tcp != "" && certs < 3:
		err = errors.New("whoever reaches --tcp is root here: give --tlscert and --tlskey of this server, " +
			"and --tlscacert, the authority of its clients' certificates")
	default:
		return nil
	}
	return &app.Usage{Command: cmd.CommandPath(), Err: err, Code: app.CodeUsage}
}

func (f *serveFlags) listen(cmd *cobra.Command) ([]net.Listener, error) {
	all, err := listen.Systemd()
	if err != nil {
		return nil, err
	}
	if len(all) > 0 && (f.owner != (listen.Owner{}) || cmd.Flags().Changed("socket")) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "systemd has opened the socket, so --socket, --user and --group say nothing; "+
			"leave them out, and set ListenStream=, SocketUser= and SocketGroup= in the socket's unit")
	}
	if len(all) == 0 && f.socket != "" {
		l, err := listen.Unix(cmd.Context(), f.socket, f.owner)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	if f.tcp != "" {
		l, err := listen.TCP(cmd.Context(), f.tcp, f.certs)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	if len(all) == 0 {
		return nil, &app.Usage{Command: cmd.CommandPath(), Err: errNowhere, Code: app.CodeUsage}
	}
	return all, nil
}

var errNowhere = errors.New("nowhere to serve: give --socket or --tcp")
