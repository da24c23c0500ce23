package systemcmd

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/spf13/cobra"

	"cove/internal/cli/apiserver"
	"cove/internal/cli/app"
)

// dialStdio is what docker's client executes over ssh for each of its connections, as
// "docker system dial-stdio".
func dialStdio(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "dial-stdio", Short: "Speak docker's API on standard input and output, for docker -H ssh://", Args: app.NoArgs(),
		Long: `Speak docker's API on standard input and output.

docker's client executes this for its connections with -H ssh://HOST, under the name
docker: there has to be a link docker to cove in the $PATH of the other machine. No
server has to be set up there: one is started that all such clients of a root share, and
ends five minutes after the last.`,
		Example: "  dial-stdio",
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := apiserver.Shared(cmd.Context(), a)
			if err != nil {
				return err
			}
			defer conn.Close()
			return relay(cmd.Context(), conn, a.In, a.Out)
		},
	}
}

// relay carries bytes both ways until the server has said all. An input that ends is an
// end of what is sent, after which answers still come.
func relay(ctx context.Context, conn *net.UnixConn, in io.Reader, out io.Writer) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	go func() {
		_, _ = io.Copy(conn, in) // a server that reads no more says why in what it sends
		_ = conn.CloseWrite()
	}()
	_, err := io.Copy(out, conn)
	if errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
