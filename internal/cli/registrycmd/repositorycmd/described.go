package repositorycmd

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api"
	"cove/registry/metadata"
)

func newShow() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "show REPOSITORY…", Short: "Show repositories: what they hold, and what is said of them",
		Example: `  registry repository show team/app
  registry repository show team/app --format '{{.Description}}'`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var items []command.Item
				for _, name := range a {
					var one api.DescribedRepository
					if err := r.Get(command.Path("repositories", metadata.CanonicalName(name)), &one); err != nil {
						return err
					}
					row := rowOf(api.Repository{
						Name: one.Name, Tags: one.Tags, Artifacts: one.Artifacts, PushedAt: one.PushedAt,
					})
					row = append(row, command.OneLine(one.Description))
					items = append(items, command.Item{Row: row, Object: one})
				}
				return list.Print(cmd, "NAME TAGS ARTIFACTS PUSHED DESCRIPTION", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func newDescribe() *cobra.Command {
	var t command.Registry
	var file string
	cmd := &cobra.Command{
		Use: "describe REPOSITORY [TEXT]", Short: "Say in Markdown what a repository is for",
		Long: `Say in Markdown what a repository is for; its page begins with that. An empty text takes the
description away.`,
		Example: `  registry repository describe team/app 'The shop, as *main* has it.'
  registry repository describe team/app --file README.md
  registry repository describe team/app ""`,
		Args: command.Args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			text, err := said(cmd, file, a[1:])
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error {
				return r.Put(command.Path("descriptions", metadata.CanonicalName(a[0])), api.NewDescription{Text: text})
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringVar(&file, "file", "", "read the text from a file, or with - from the standard input")
	return cmd
}

// said is the text of an argument, or of a file.
func said(cmd *cobra.Command, file string, given []string) (string, error) {
	const most = 1 << 20 // the registry keeps less, and says how much
	switch {
	case (file != "") == (len(given) > 0):
		return "", command.Misused(cmd, errors.New("give either a text or --file"))
	case file == "":
		return given[0], nil
	case file == "-":
		text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), most))
		return string(text), err
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("--file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most))
	return string(text), err
}
