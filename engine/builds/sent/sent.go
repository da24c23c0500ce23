// Package sent opens the contexts of a build that is to be done on another machine: what
// of a directory belongs to them, and where their Dockerfile is.
package sent

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"cove/builder/source"
)

// Context is a directory of this machine.
type Context struct {
	// Keep says whether what is at a path below the directory goes.
	Keep func(rel string) bool
	// Dockerfile is its path below the directory, Text what is in it otherwise, and
	// Ignore the rules that are its own then, if it has some.
	Dockerfile string
	Text       []byte
	Ignore     []byte
}

// Elsewhere reports whether a context is no directory of this machine: it comes by
// standard input, or from a repository or URL.
func Elsewhere(dir string) bool { return source.Remote(dir) }

// Open opens a build's context. The Dockerfile is a path of this machine or of the
// directory, "" for the usual one, or "-" for stdin.
func Open(ctx context.Context, dir, dockerfile string, stdin io.Reader) (c Context, err error) {
	err = opened(source.Source{Dir: dir, Dockerfile: dockerfile, Stdin: stdin}, func(src source.Source) error {
		from, err := source.Open(ctx, src)
		if err != nil {
			return err
		}
		if err := c.find(dir, dockerfile, from); err != nil {
			return errors.Join(err, from.Close())
		}
		return errors.Join(c.keep(ctx, from, c.Dockerfile), from.Close())
	})
	return c, err
}

// Named opens a context that has a name.
func Named(ctx context.Context, name, dir string) (c Context, err error) {
	err = opened(source.Source{Dir: dir}, func(src source.Source) error {
		from, err := source.OpenNamed(ctx, name, src)
		if err != nil {
			return err
		}
		return errors.Join(c.keep(ctx, from), from.Close())
	})
	return c, err
}

// opened gives a source a place for what is remembered of files, which is forgotten.
func opened(src source.Source, do func(source.Source) error) (err error) {
	if src.State, err = os.MkdirTemp("", "cove-context-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(src.State)) }()
	return do(src)
}

// find says where the Dockerfile is: the same file of the machine may be in the context.
func (c *Context) find(dir, dockerfile string, from *source.Context) error {
	if dockerfile == "-" {
		c.Text = from.Dockerfile
		return nil
	}
	rel := from.Path()
	if filepath.IsAbs(rel) {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			return err
		}
		path := rel
		if rel, err = filepath.Rel(real, path); err != nil || !filepath.IsLocal(rel) {
			c.Text = from.Dockerfile
			c.Ignore, err = os.ReadFile(path + ".dockerignore")
			if errors.Is(err, os.ErrNotExist) {
				err = nil
			}
			return err
		}
	}
	c.Dockerfile = filepath.Clean(rel)
	return nil
}

// keep chooses what the ignore rules leave, and the files that say so, which are read
// again there.
func (c *Context) keep(ctx context.Context, from *source.Context, besides ...string) error {
	entries, err := from.Walk(ctx, from.Root(), nil)
	if err != nil {
		return err
	}
	kept := make(map[string]bool, len(entries))
	also := func(name string) {
		for ; name != "." && name != "" && !kept[name]; name = filepath.Dir(name) {
			kept[name] = true
		}
	}
	for _, e := range entries {
		also(e.Path)
	}
	also(".dockerignore")
	for _, name := range besides {
		also(name)
		if name != "" {
			also(name + ".dockerignore")
		}
	}
	c.Keep = func(rel string) bool { return kept[strings.TrimPrefix(rel, "./")] }
	return nil
}
