// Package tagcmd is the registry's commands on tags: which there are, their history, what
// deletes them and brings them back, and the rules that keep them where they are.
package tagcmd

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/work"
	"cove/registry/history"
	"cove/registry/metadata"
)

// New is the command "tag" with those below it.
func New() *cobra.Command {
	return command.Group("tag", "List and delete tags, see who moved which, what takes the space in one, and bring them back",
		newList(), newSpace(), newRemove(), newHistory(), newDeleted(), newRollback(), newRestore())
}

// name takes REPO, REPO:TAG or REPO@DIGEST apart.
func name(text string) (history.Request, error) {
	r := history.Request{Repository: text}
	if repo, dgst, ok := strings.Cut(text, "@"); ok {
		r.Repository, r.Digest = repo, digest.Digest(dgst)
		if err := r.Digest.Validate(); err != nil {
			return r, fmt.Errorf("%q: %w", text, err)
		}
	} else if i := strings.LastIndex(text, ":"); i > strings.LastIndex(text, "/") {
		r.Repository, r.Tag = text[:i], text[i+1:]
	}
	r.Repository = metadata.CanonicalName(r.Repository)
	return r, nil
}

func newHistory() *cobra.Command {
	var t command.Registry
	var n int
	var list command.List
	cmd := &cobra.Command{
		Use: "history REPOSITORY[:TAG]", Short: "List who had which tag name what, the newest first",
		Example: `  registry tag history team/app:latest
  registry tag history team/app --format '{{.At}} {{.By}} {{.Tag}} {{.Digest}}'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			of, err := name(a[0])
			if err != nil {
				return command.Misused(cmd, err)
			}
			if n < 1 {
				return command.Misused(cmd, fmt.Errorf("--limit %d: ask for at least one line", n))
			}
			return t.Do(cmd, func(r command.API) error {
				page, err := command.First[work.TagChange](r, n, command.Path("history", of.Repository), "tag", of.Tag)
				if err != nil {
					return err
				}
				items := command.Items(page, func(e work.TagChange) command.Item {
					return command.Item{
						Row:    []string{e.Tag, short(e.Digest), short(e.Previous), command.Stamp(e.At), e.By},
						Object: e,
					}
				})
				return list.Print(cmd, "TAG NOW BEFORE TIME BY", items)
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().IntVarP(&n, "limit", "n", 100, "how many lines at most")
	list.Flags(cmd)
	return cmd
}

// short is a digest as far as people compare it; "-" is nothing.
func short(d string) string {
	if d == "" {
		return "-"
	}
	algorithm, hex, _ := strings.Cut(d, ":")
	return algorithm + ":" + hex[:min(12, len(hex))]
}

func newDeleted() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "deleted REPOSITORY", Short: "List deleted artifacts that may be had back, the newest first",
		Example: `  registry tag deleted team/app`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all work.DeletedArtifacts
				if err := r.Get(command.Path("deleted", metadata.CanonicalName(a[0])), &all); err != nil {
					return err
				}
				items := command.Items(all.Items, func(d work.DeletedArtifact) command.Item {
					return command.Item{
						Row:    []string{d.Digest, command.Stamp(d.At), d.By, strings.Join(d.Tags, ",")},
						Object: d,
					}
				})
				return list.Print(cmd, "DIGEST DELETED BY TAGS", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func newRollback() *cobra.Command {
	var t command.Registry
	var to string
	cmd := &cobra.Command{
		Use: "rollback REPOSITORY:TAG", Short: "Have a tag name what it named before",
		Long: `Have a tag name what it named before its last change, or, with --to, an artifact
of the repository, also one that was deleted and is not collected yet. A server of
the registry does it.`,
		Example: `  registry tag rollback team/app:latest
  registry tag rollback team/app:latest --to sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			r, err := name(a[0])
			if err == nil && r.Tag == "" {
				err = fmt.Errorf("%q names no tag; use REPOSITORY:TAG", a[0])
			}
			if err == nil && to != "" {
				r.Digest = digest.Digest(to)
				err = r.Digest.Validate()
			}
			if err != nil {
				return command.Misused(cmd, err)
			}
			r.Back = true
			return bringBack(cmd, &t, r)
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringVar(&to, "to", "", "digest of what it is to name (default: what it named before)")
	return cmd
}

func newRestore() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "restore REPOSITORY[:TAG|@DIGEST]", Short: "Bring back a deleted tag, artifact, or all of a repository",
		Long: `Bring back a deleted tag, a deleted artifact with the tags that it had, or all that
was deleted of a repository, as long as the collector has not taken the bytes
(gc.grace of the configuration). A server of the registry does it.`,
		Example: `  registry tag restore team/app:v1
  registry tag restore team/app`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			r, err := name(a[0])
			if err != nil {
				return command.Misused(cmd, err)
			}
			return bringBack(cmd, &t, r)
		},
	}
	t.Flags(cmd)
	return cmd
}

// bringBack has a server do it, and says what came back.
func bringBack(cmd *cobra.Command, t *command.Registry, of history.Request) error {
	return t.Do(cmd, func(r command.API) error {
		var done work.Restored
		asked := work.Restoration{Tag: of.Tag, Digest: of.Digest.String(), Back: of.Back}
		if err := r.Post(command.Path("restore", of.Repository), asked, &done); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), done.Done)
		return err
	})
}
