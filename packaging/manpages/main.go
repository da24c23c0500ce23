// Command manpages writes what a package carries beside the binaries: man
// pages and shell completions, made from the commands themselves.
//
//	go run ./packaging/manpages DIR
//
// SOURCE_DATE_EPOCH is the date of the pages.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"cove/engine/builds/changes"
	"cove/internal/buildinfo"
	"cove/internal/cli"
	"cove/internal/cli/buildcmd"
	"cove/internal/cli/copycmd"
	"cove/internal/cli/historycmd"
	"cove/internal/cli/registrycmd"
	"cove/internal/cli/verifycmd"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: manpages DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "manpages:", err)
		os.Exit(1)
	}
}

// write fills DIR/man1 with a page for each command, and DIR/bash, zsh and
// fish with a completion for each program.
func write(dir string) error {
	builder := cli.Builder{
		Build: buildcmd.Build, Bake: buildcmd.Bake, History: historycmd.Noun, Changes: changes.Read,
		Verify: verifycmd.Verify, Kaniko: buildcmd.Kaniko,
		Copy: copycmd.Copy, Merge: copycmd.Merge, API: cli.Elsewhere.API,
	}
	for _, root := range []*cobra.Command{cli.Cove(builder).Tree(), registrycmd.New()} {
		if err := errors.Join(pages(filepath.Join(dir, "man1"), root), completions(dir, root)); err != nil {
			return fmt.Errorf("%s: %w", root.Name(), err)
		}
	}
	return nil
}

func pages(dir string, root *cobra.Command) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// Pages say which version they belong to, and nothing of how they were made.
	root.DisableAutoGenTag = true
	return doc.GenManTree(root, &doc.GenManHeader{
		Section: "1", Source: root.Name() + " " + buildinfo.Version(), Manual: "cove",
	}, dir)
}

// completions are under the names by which each shell finds them.
func completions(dir string, root *cobra.Command) error {
	name := root.Name()
	for file, generate := range map[string]func(*bytes.Buffer) error{
		"bash/" + name:           func(to *bytes.Buffer) error { return root.GenBashCompletionV2(to, true) },
		"zsh/_" + name:           func(to *bytes.Buffer) error { return root.GenZshCompletion(to) },
		"fish/" + name + ".fish": func(to *bytes.Buffer) error { return root.GenFishCompletion(to, true) },
	} {
		var script bytes.Buffer
		if err := generate(&script); err != nil {
			return err
		}
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.TrimLeft(script.String(), "\n")), 0o644); err != nil {
			return err
		}
	}
	return nil
}
