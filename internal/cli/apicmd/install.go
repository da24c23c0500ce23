package apicmd

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/apicmd/install"
	"cove/internal/cli/app"
)

func installCommand(a *app.App) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use: "install [flags]", Args: app.NoArgs(),
		Short: "Have docker's clients find cove by themselves, at /run/docker.sock",
		Long: `Have docker's clients find cove by themselves: systemd listens on /run/docker.sock, and
starts the server with the first client. It is refused where docker is installed, or
something else has the socket. What is done is printed, and "uninstall" undoes it.

Whoever may use the socket is root on this machine: it is root's own, or a group's.`,
		Example: "  install\n  install --group docker",
	}
	cmd.Flags().StringVar(&group, "group", "", "group whose members may use the socket (default: root alone)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := thisMachine(a)
		if err != nil {
			return err
		}
		if err := checkGroup(group); err != nil {
			return err
		}
		return m.Install(cmd.Context(), group)
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

// groupNames are those that mean nothing else in a unit.
var groupNames = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$`)

func checkGroup(group string) error {
	if group == "" {
		return nil
	}
	if !groupNames.MatchString(group) {
		return errdefs.Errorf(errdefs.ErrInvalid, "%q is no name of a group", group)
	}
	_, byName := user.LookupGroup(group)
	_, byID := user.LookupGroupId(group)
	if byName != nil && byID != nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "there is no group %q that the socket could belong to; "+
			"make it (groupadd --system %s), or leave --group out: the socket is root's then", group, group)
	}
	return nil
}
