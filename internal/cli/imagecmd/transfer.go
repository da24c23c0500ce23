// Package imagecmd holds the commands about images: build, pull, push, images
// and the rest, in docker's grammar.
package imagecmd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	events "cove/distribution/progress"
	"cove/engine"
	"cove/errdefs"
	"cove/images"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/progress"
	"cove/internal/platforms"
	"cove/reference"
)

// withStore opens the images and calls do.
func withStore(a *app.App, do func(eng *engine.Engine, store *images.Store) error) error {
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	store, err := eng.Images()
	if err != nil {
		return err
	}
	return do(eng, store)
}

// Pull fetches an image.
func Pull(a *app.App) *cobra.Command {
	var quiet bool
	var platform string
	cmd := &cobra.Command{
		Use:     "pull [flags] NAME[:TAG|@DIGEST]",
		Short:   "Fetch an image from its registry",
		Example: "  pull redis\n  pull harbor.example.com/team/app:v1",
		Args:    app.ExactArgs(1),
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the name")
	cmd.Flags().StringVar(&platform, "platform", "", "which image of several: OS/ARCH[/VARIANT]")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withStore(a, func(_ *engine.Engine, store *images.Store) error {
			return pull(cmd.Context(), a, store, args[0], platform, quiet)
		})
	}
	return cmd
}

func pull(ctx context.Context, a *app.App, store *images.Store, name, platform string, quiet bool) (err error) {
	ref, err := reference.Parse(name)
	if err != nil {
		return err
	}
	var opts images.PullOptions
	if platform != "" {
		if opts.Platform, err = platforms.Parse(platform); err != nil {
			return err
		}
	}
	show := progress.NewPull(a.Err)
	if !quiet {
		if ref.Digest == "" && !strings.HasSuffix(name, ":"+ref.Tag) {
			fmt.Fprintf(a.Err, "Using default tag: %s\n", ref.Tag)
		}
		show.Begin(ref)
		opts.Progress = show.Event
	}
	pulled, err := store.Pull(ctx, name, opts)
	if !quiet {
		show.End(pulled.Digest, pulled.Newer, err)
	}
	if err == nil {
		fmt.Fprintln(a.Out, ref.String())
	}
	return err
}

// showTransfer shows transfers on standard error until end is called.
func showTransfer(a *app.App) (tell events.Func, end func()) {
	t := progress.NewTransfer(progress.ScreenOf(a.Err))
	return t.Event, t.Close
}

// Push sends an image to its registry.
func Push(a *app.App) *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:     "push [flags] NAME[:TAG]",
		Short:   "Send an image to its registry",
		Example: "  push harbor.example.com/team/app:v1",
		Args:    app.ExactArgs(1),
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the name")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withStore(a, func(_ *engine.Engine, store *images.Store) error {
			return push(cmd.Context(), a, store, args[0], quiet)
		})
	}
	return cmd
}

func push(ctx context.Context, a *app.App, store *images.Store, name string, quiet bool) error {
	ref, err := reference.Parse(name)
	if err != nil {
		return err
	}
	var opts images.PushOptions
	end := func() {}
	if !quiet {
		fmt.Fprintf(a.Err, "The push refers to repository [%s]\n", ref.Name())
		t := progress.NewTransfer(progress.ScreenOf(a.Err))
		t.Push = true
		opts.Progress, end = t.Event, t.Close
	}
	desc, err := store.Push(ctx, name, opts)
	end()
	if err != nil {
		return err
	}
	if quiet {
		fmt.Fprintln(a.Out, ref.String())
		return nil
	}
	fmt.Fprintf(a.Out, "%s: digest: %s size: %d\n", ref.Object(), desc.Digest, desc.Size)
	return nil
}

// Login checks and keeps a sign-in.
func Login(a *app.App) *cobra.Command {
	var user, password string
	var fromStdin bool
	cmd := &cobra.Command{
		Use:     "login [flags] [REGISTRY]",
		Short:   "Sign in to a registry",
		Example: "  login harbor.example.com\n  login -u admin --password-stdin harbor.example.com < password",
		Args:    app.RangeArgs(0, 1),
	}
	cmd.Flags().StringVarP(&user, "username", "u", "", "user name")
	cmd.Flags().StringVarP(&password, "password", "p", "",
		"password (--password-stdin keeps it out of the process list)")
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		switch {
		case password != "" && fromStdin:
			return errdefs.Errorf(errdefs.ErrInvalid, "--password and --password-stdin exclude each other")
		case fromStdin && user == "":
			return errdefs.Errorf(errdefs.ErrInvalid, "--password-stdin needs --username")
		case password != "":
			a.Warnf("a password on the command line can be seen by every user of this machine; use --password-stdin")
		}
		if user, password, err = askSignIn(a, user, password, fromStdin); err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		if err := eng.Login(cmd.Context(), registryArg(args), user, password); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, "Login Succeeded")
		return nil
	}
	return cmd
}

func registryArg(args []string) string {
	if len(args) == 0 {
		return reference.DefaultRegistry
	}
	host := strings.TrimPrefix(strings.TrimPrefix(args[0], "https://"), "http://")
	host, _, _ = strings.Cut(host, "/")
	return host
}

// askSignIn completes the sign-in from standard input or the terminal.
func askSignIn(a *app.App, user, password string, fromStdin bool) (string, string, error) {
	if fromStdin {
		body, err := io.ReadAll(io.LimitReader(a.In, 64<<10))
		return user, strings.TrimRight(string(body), "\r\n"), err
	}
	if user != "" && password != "" {
		return user, password, nil
	}
	fd, ok := app.Terminal(a.In)
	if !ok {
		return "", "", errdefs.Errorf(errdefs.ErrInvalid,
			"there is no terminal to ask for the password: use --username with --password-stdin")
	}
	if user == "" {
		fmt.Fprint(a.Err, "Username: ")
		line, err := bufio.NewReader(a.In).ReadString('\n')
		if err != nil {
			return "", "", err
		}
		user = strings.TrimSpace(line)
	}
	if password == "" {
		fmt.Fprint(a.Err, "Password: ")
		typed, err := term.ReadPassword(fd)
		fmt.Fprintln(a.Err)
		if err != nil {
			return "", "", err
		}
		password = string(typed)
	}
	return user, password, nil
}

// Logout forgets a sign-in.
func Logout(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "logout [REGISTRY]", Short: "Forget a sign-in", Example: "  logout harbor.example.com",
		Args: app.RangeArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			host := registryArg(args)
			found, err := eng.Logout(cmd.Context(), host)
			if err != nil {
				return err
			}
			if !found {
				fmt.Fprintf(a.Out, "Not logged in to %s\n", host)
				return nil
			}
			fmt.Fprintf(a.Out, "Removing login credentials for %s\n", host)
			return nil
		},
	}
}

// Save writes images into an archive.
func Save(a *app.App) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "save [flags] IMAGE [IMAGE...]",
		Short:   "Write images to a tar archive (OCI layout and docker's format in one)",
		Example: "  save -o app.tar team/app:v1\n  save redis | ssh other cove load",
		Args:    app.MinArgs(1),
	}
	cmd.Flags().StringVarP(&name, "output", "o", "", "write to a file instead of standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withStore(a, func(_ *engine.Engine, store *images.Store) error {
			if name != "" {
				return app.WriteFile(name, func(w io.Writer) error { return store.Save(cmd.Context(), w, args) })
			}
			if _, ok := app.Terminal(a.Out); ok {
				return errdefs.Errorf(errdefs.ErrInvalid, "not writing an archive to a terminal: use -o FILE or a pipe")
			}
			return store.Save(cmd.Context(), a.Out, args)
		})
	}
	return cmd
}

// Load reads images from an archive.
func Load(a *app.App) *cobra.Command {
	var name string
	var quiet bool
	cmd := &cobra.Command{
		Use:     "load [flags]",
		Short:   "Read images from a tar archive that cove, docker or another tool saved",
		Example: "  load -i app.tar\n  load < app.tar",
		Args:    app.NoArgs(),
	}
	cmd.Flags().StringVarP(&name, "input", "i", "", "read a file instead of standard input")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no progress")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in, done, err := openInput(a, name)
		if err != nil {
			return err
		}
		defer done()
		return withStore(a, func(_ *engine.Engine, store *images.Store) error {
			return load(cmd.Context(), a, store, in,
				quiet)
		})
	}
	return cmd
}

func load(ctx context.Context, a *app.App, store *images.Store, in io.Reader, quiet bool) error {
	var tell events.Func
	end := func() {}
	if !quiet {
		tell, end = showTransfer(a)
	}
	loaded, err := store.Load(ctx, in, tell)
	end()
	for _, l := range loaded {
		if l.Name == "" {
			fmt.Fprintf(a.Out, "Loaded image ID: %s\n", l.ID)
			continue
		}
		fmt.Fprintf(a.Out, "Loaded image: %s\n", output.Familiar(l.Name))
	}
	return err
}

func openInput(a *app.App, name string) (io.Reader, func(), error) {
	if name == "" || name == "-" {
		if _, ok := app.Terminal(a.In); ok {
			return nil, nil, errdefs.Errorf(errdefs.ErrInvalid,
				"not reading an archive from a terminal: name a file, or use < or a pipe")
		}
		return a.In, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { f.Close() }, nil
}
