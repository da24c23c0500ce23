package credentials

import (
	"context"
	"io"
	"os/exec"
	"strings"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"cove/errdefs"
)

// tokenUser is the user name that marks a helper's secret as an identity token
// (docker's credential helper protocol).
const tokenUser = "<token>"

// program runs docker-credential-NAME, which has to be in PATH.
func program(ctx context.Context, name string) (client.ProgramFunc, error) {
	if name == "" || strings.ContainsAny(name, "/\\\x00") {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"credential helper %q: want the part after docker-credential- of a program in PATH", name)
	}
	return func(args ...string) client.Program {
		return &process{exec.CommandContext(ctx, "docker-credential-"+name, args...)} //nolint:gosec // named by the user's own configuration
	}, nil
}

type process struct{ *exec.Cmd }

func (p *process) Output() ([]byte, error) { return p.Cmd.Output() }
func (p *process) Input(in io.Reader)      { p.Stdin = in }

func getHelper(ctx context.Context, name, server string) (Credentials, error) {
	run, err := program(ctx, name)
	if err != nil {
		return Credentials{}, err
	}
	c, err := client.Get(run, server)
	switch {
	case credentials.IsErrCredentialsNotFound(err):
		return Credentials{}, nil
	case err != nil:
		return Credentials{}, helperError(name, err)
	case c.Username == tokenUser:
		return Credentials{IdentityToken: c.Secret}, nil
	}
	return Credentials{Username: c.Username, Password: c.Secret}, nil
}

func putHelper(ctx context.Context, name, server string, c Credentials) error {
	run, err := program(ctx, name)
	if err != nil {
		return err
	}
	out := &credentials.Credentials{ServerURL: server, Username: c.Username, Secret: c.Password}
	if c.IdentityToken != "" {
		out.Username, out.Secret = tokenUser, c.IdentityToken
	}
	if err := client.Store(run, out); err != nil {
		return helperError(name, err)
	}
	return nil
}

func eraseHelper(ctx context.Context, name, server string) (had bool, err error) {
	c, err := getHelper(ctx, name, server)
	if err != nil || c.IsZero() {
		return false, err
	}
	run, err := program(ctx, name)
	if err != nil {
		return false, err
	}
	if err := client.Erase(run, server); err != nil {
		return false, helperError(name, err)
	}
	return true, nil
}

func helperError(name string, err error) error {
	return errdefs.Errorf(errdefs.ErrUnavailable, "credential helper docker-credential-%s: %w", name, err)
}
