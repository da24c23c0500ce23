package scancmd

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/internal/plural"
	"cove/registry/api/client"
	"cove/registry/api/scans"
	"cove/registry/scan/vulndb"
)

func newDatabases() *cobra.Command {
	return command.Group(
		"db",
		"Bring databases of vulnerabilities",
		newImport(),
		newDatabaseList(),
		newDatabaseRemove(),
	)
}

func newImport() *cobra.Command {
	var t command.Registry
	var name string
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Import a database of vulnerabilities",
		Long: `Import a database of vulnerabilities from a file, in the place of the one of the same
name. All images are matched against it then; none is read again.

FILE is OSV's (a zip as all.zip or npm.zip, JSON documents in lines, or a single one)
or Debian's security tracker in JSON; each may be packed by gzip. "-" is the standard
input.`,
		Example: `  curl -fO https://osv-vulnerabilities.storage.googleapis.com/npm/all.zip
  registry scan db import all.zip --name osv-npm
  registry scan db import debian-tracker.json.gz`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if name == "" {
				name = nameOf(a[0])
			}
			if err := vulndb.CheckName(name); err != nil {
				return command.Misused(cmd, err)
			}
			file, err := open(cmd, a[0])
			if err != nil {
				return err
			}
			defer file.Close()
			return t.Do(cmd, func(r command.API) error {
				var made scans.Database
				err := r.Do(r.Context(), client.Call{
					Method: http.MethodPut, Path: command.Path("security", "databases", name),
					Query: client.Query("origin", a[0]), Body: file, Into: &made,
				})
				if err != nil {
					return fmt.Errorf("importing %s: %w", a[0], err)
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), plural.Sprintf("%s: %d advisories on %d vulnerabilities\n",
					made.Name, made.Advisories, made.Vulnerabilities))
				return err
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "what the database is called here (default: FILE without its ending)")
	return cmd
}

// nameOf is what a file's database is called when nobody says.
func nameOf(file string) string {
	base, _, _ := strings.Cut(filepath.Base(file), ".")
	return strings.ToLower(cmp.Or(base, "database"))
}

// open opens a file, or the standard input.
func open(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "import", Path: name, Err: errors.New("it is no file")}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

const databaseColumns = "NAME FORM ADVISORIES VULNERABILITIES IMPORTED"

func databaseItem(d scans.Database) command.Item {
	return command.Item{Row: []string{
		d.Name, d.Form, strconv.Itoa(d.Advisories), strconv.Itoa(d.Vulnerabilities), command.Stamp(d.ImportedAt),
	}, Object: d}
}

func newDatabaseList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the databases of vulnerabilities",
		Example: `  registry scan db list`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all scans.Databases
				if err := r.Get("/security/databases", &all); err != nil {
					return err
				}
				return list.Print(cmd, databaseColumns, command.Items(all.Items, databaseItem))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func newDatabaseRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Ask databases no more",
		Example: `  registry scan db rm osv-npm`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error {
					return r.Delete(command.Path("security", "databases", name))
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
