package apicmd

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"cove/engine/api/listen"
	"cove/errdefs"
	"cove/internal/cli/apicmd/install"
	"cove/internal/cli/app"
)

func installCommand(a *app.App) *cobra.Command {
	var owner listen.Owner
	cmd := &cobra.Command{
		Use: "install [flags]", Args: app.NoArgs(),
		Short: "Have docker's clients find cove by themselves, at /run/docker.sock",
		Long: `Have docker's clients find cove by themselves: systemd listens on /run/docker.sock, and
starts the server with the first client. It is refused where docker is installed, or
something else has the socket. What is done is printed, and "uninstall" undoes it.

Whoever may use the socket is root on this machine: it is root's own, or that of
--user and --group.`,
		Example: "  install\n  install --group docker",
	}
	cmd.Flags().StringVar(&owner.User, "user", "", "owner of the socket (default: root)")
	cmd.Flags().StringVar(&owner.Group, "group", "", "group whose members may use the socket (default: root alone)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := thisMachine(a)
		if err != nil {
			return err
		}
		if err := checkOwner(owner); err != nil {
			return err
		}
		return m.Install(cmd.Context(), owner)
	}
	return cmd
}

func uninstallCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "uninstall", Short: "Undo what 'api install' did", Example: "  uninstall", Args: app.NoArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := thisMachine(a)
			if err != nil {
				return err
			}
			return m.Uninstall(cmd.Context())
		},
	}
}

// thisMachine is the one that root may change, with the cove beside this program.
func thisMachine(a *app.App) (install.Machine, error) {
	if os.Geteuid() != 0 {
		return install.Machine{}, errdefs.Errorf(errdefs.ErrDenied, "units of systemd are root's to change")
	}
	own, err := os.Executable()
	if err != nil {
		return install.Machine{}, err
	}
	return install.This(filepath.Join(filepath.Dir(own), "cove"), a.Out), nil
}

// ownerNames are those that mean nothing else in a unit.
var ownerNames = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$`)

func checkOwner(o listen.Owner) error {
	_, userByName := user.Lookup(o.User)
	_, userByID := user.LookupId(o.User)
	_, groupByName := user.LookupGroup(o.Group)
	_, groupByID := user.LookupGroupId(o.Group)
	for _, is := range []struct {
		name, kind, adds string
		unknown          bool
	}{
		{o.User, "user", "useradd", userByName != nil && userByID != nil},
		{o.Group, "group", "groupadd", groupByName != nil && groupByID != nil},
	} {
		switch {
		case is.name == "":
		case !ownerNames.MatchString(is.name):
			return errdefs.Errorf(errdefs.ErrInvalid, "%q is no name of a %s", is.name, is.kind)
		case is.unknown:
			return errdefs.Errorf(errdefs.ErrNotFound, "there is no %[1]s %[2]q that the socket could belong to; "+
				"make it (%[3]s --system %[2]s), or leave --%[1]s out: the socket is root's then", is.kind, is.name, is.adds)
		}
	}
	return nil
}
