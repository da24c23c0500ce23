// Package tagcmd is the registry's commands on tags: their history, what brings them
// back, and the rules that keep them where they are.
package tagcmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/work"
	"cove/registry/auth"
	"cove/registry/history"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/server"
)

// New is the command "tag" with those below it.
func New() *cobra.Command {
	return command.Group("tag", "See who moved which tag, and bring tags and artifacts back",
		newHistory(), newDeleted(), newRollback(), newRestore())
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
	var t command.Target
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
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				q := history.Query{Repository: of.Repository, Tag: of.Tag, N: n}
				page, _, err := s.Policies.History.Page(cmd.Context(), by, q)
				if err != nil {
					return err
				}
				items := command.Items(page, func(e history.Entry) command.Item {
					return command.Item{
						Row:    []string{e.Tag, short(e.Digest), short(e.Previous), command.Stamp(e.At), e.Actor},
						Object: work.TagChangeOf(e),
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
func short(d digest.Digest) string {
	if d == "" {
		return "-"
	}
	algorithm, hex, _ := strings.Cut(string(d), ":")
	return algorithm + ":" + hex[:min(12, len(hex))]
}

func newDeleted() *cobra.Command {
	var t command.Target
	var list command.List
	cmd := &cobra.Command{
		Use: "deleted REPOSITORY", Short: "List deleted artifacts that may be had back, the newest first",
		Example: `  registry tag deleted team/app`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				all, err := s.Policies.History.Deleted(cmd.Context(), by, metadata.CanonicalName(a[0]))
				if err != nil {
					return err
				}
				items := command.Items(all, func(d metadata.Deleted) command.Item {
					return command.Item{
						Row:    []string{string(d.Digest), command.Stamp(d.At), d.By, strings.Join(d.Tags, ",")},
						Object: work.DeletedArtifactOf(d),
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
	var t command.Target
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
	var t command.Target
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

// patience is how long a command waits for a server.
const patience = 30 * time.Second

// bringBack has a server do it, and waits for it.
func bringBack(cmd *cobra.Command, t *command.Target, r history.Request) error {
	return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
		id, err := s.Policies.History.Ask(cmd.Context(), by, r)
		if err != nil {
			return err
		}
		j, err := await(cmd.Context(), s.Policies.Jobs, by, id)
		switch {
		case err != nil:
			return err
		case j.EndedAt.IsZero():
			return errdefs.Errorf(errdefs.ErrUnavailable,
				"no server of the registry has done it within %v; one does as soon as it runs (job %d)", patience, id)
		case j.State != jobs.Done:
			return errdefs.Errorf(errdefs.ErrConflict, "%s (job %d)", j.Error, id)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), j.Note)
		return err
	})
}

// await asks until a job has ended, or for so long.
func await(ctx context.Context, all *jobs.Jobs, by auth.Caller, id int64) (j jobs.Job, err error) {
	const pause = 100 * time.Millisecond
	for left := patience; left > 0; left -= pause {
		if j, err = all.Get(ctx, by, id); err != nil || !j.EndedAt.IsZero() {
			return j, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return j, ctx.Err()
		}
	}
	return j, nil
}
