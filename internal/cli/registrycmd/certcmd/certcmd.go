// Package certcmd is the registry's commands on certificates.
package certcmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/atomicfile"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/pki"
)

// New is the command "cert" with those below it.
func New() *cobra.Command {
	return command.Group("cert", "Make, look at, explain and fix certificates",
		newInit(), newCSR(), newSign(), newIssue(), newInspect(), newExplain(), newFix())
}

func nameFlag(cmd *cobra.Command, names *[]string) {
	cmd.Flags().StringArrayVar(names, "name", nil, "host name or address it is valid for; may be given several times")
}

func wantNames(cmd *cobra.Command, names []string) (pki.Names, error) {
	if len(names) == 0 {
		return pki.Names{}, command.Misused(cmd,
			errors.New("at least one --name is needed; clients look at nothing else"))
	}
	return pki.ParseNames(names...)
}

// write replaces a file durably.
func write(name string, data []byte, perm os.FileMode) error {
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(atomicfile.Write(dir, filepath.Base(name), data, perm, atomicfile.Durable), dir.Close())
}

// passwordFlag adds --password-file.
func passwordFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "password-file", "", "file with the password of a PKCS #12 file")
}

// password reads what --password-file names; without it there is none.
func password(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	data, err := os.ReadFile(file)
	return strings.TrimRight(string(data), "\r\n"), err
}
