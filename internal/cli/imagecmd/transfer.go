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

	"cove/distribution/progress"
	"cove/engine"
	"cove/engine/images"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	cliprogress "cove/internal/cli/progress"
)

// Pull fetches an image.
func Pull(a *app.App) *cobra.Command {
	var quiet bool
	var opts images.PullOptions
	cmd := &cobra.Command{
		Use:     "pull [flags] NAME[:TAG|@DIGEST]",
		Short:   "Fetch an image from its registry",
		Example: "  pull redis\n  pull harbor.example.com/team/app:v1\n  pull -a harbor.example.com/team/app",
		Args:    app.ExactArgs(1),
	}
	cmd.Flags().BoolVarP(&opts.AllTags, "all-tags", "a", false, "all tags of the repository")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the name")
	cmd.Flags().StringVar(&opts.Platform, "platform", "", "which image of several: OS/ARCH[/VARIANT]")
	app.Register(cmd.Flags(), app.ContentTrust)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		if !quiet {
			opts.Progress = showPull(a, args[0], opts.AllTags)
		}
		pulled, err := eng.Pull(cmd.Context(), args[0], opts)
		for _, p := range pulled {
			fmt.Fprintln(a.Out, p.Ref.String())
		}
		return err
	}
	return cmd
}

// showPull shows pulls on standard error, and the tag that a name without one has.
func showPull(a *app.App, name string, all bool) progress.Func {
	show := cliprogress.NewPull(a.Err)
	return func(e progress.Event) {
		if e.Kind == progress.Begun && !all && e.Ref.Digest == "" && !strings.HasSuffix(name, ":"+e.Ref.Tag) {
			fmt.Fprintf(a.Err, "Using default tag: %s\n", e.Ref.Tag)
		}
		show.Event(e)
	}
}

// Push sends an image to its registry.
func Push(a *app.App) *cobra.Command {
	var quiet bool
	var opts images.PushOptions
	cmd := &cobra.Command{
		Use:     "push [flags] NAME[:TAG]",
		Short:   "Send an image to its registry",
		Example: "  push harbor.example.com/team/app:v1\n  push -a harbor.example.com/team/app",
		Args:    app.ExactArgs(1),
	}
	cmd.Flags().BoolVarP(&opts.AllTags, "all-tags", "a", false, "all names that are here of the repository")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the name")
	app.Register(cmd.Flags(), app.ContentTrust)
	of := platformFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		if !quiet {
			opts.Progress = cliprogress.NewPush(a.Err).Event
		}
		imgs, err := eng.ForPlatform(*of)
		if err != nil {
			return err
		}
		pushed, err := imgs.Push(cmd.Context(), args[0], opts)
		for _, p := range pushed {
			if quiet {
				fmt.Fprintln(a.Out, p.Ref.String())
				continue
			}
			fmt.Fprintf(a.Out, "%s: digest: %s size: %d\n", p.Ref.Object(), p.Descriptor.Digest, p.Descriptor.Size)
		}
		return err
	}
	return cmd
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
		if err := eng.Login(cmd.Context(), engine.RegistryHost(args...), user, password); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, "Login Succeeded")
		return nil
	}
	return cmd
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
			host := engine.RegistryHost(args...)
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

// platformFlag adds the flag that takes one image of several.
func platformFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("platform", "", "only the image for this of several: OS/ARCH[/VARIANT]")
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
	of := platformFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		imgs, err := eng.ForPlatform(*of)
		if err != nil {
			return err
		}
		if name != "" {
			return app.WriteFile(name, func(w io.Writer) error { return imgs.Save(cmd.Context(), w, args) })
		}
		if _, ok := app.Terminal(a.Out); ok {
			return errdefs.Errorf(errdefs.ErrInvalid, "cowardly refusing to save to a terminal: use the -o flag or redirect")
		}
		return imgs.Save(cmd.Context(), a.Out, args)
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
	of := platformFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in, done, err := openInput(a, name)
		if err != nil {
			return err
		}
		defer done()
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		imgs, err := eng.ForPlatform(*of)
		if err != nil {
			return err
		}
		return load(cmd.Context(), a, imgs, in, quiet)
	}
	return cmd
}

func load(ctx context.Context, a *app.App, imgs *images.Images, in io.Reader, quiet bool) error {
	var tell progress.Func
	if !quiet {
		show := cliprogress.NewTransfer(cliprogress.ScreenOf(a.Err))
		defer show.Close()
		tell = show.Event
	}
	loaded, err := imgs.Load(ctx, in, tell)
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
				"requested load from stdin, but stdin is empty: it is a terminal; name a file with -i, or use < or a pipe")
		}
		return a.In, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { f.Close() }, nil
}
