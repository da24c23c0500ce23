// Package epoch finds the time that SOURCE_DATE_EPOCH gives the files of an image, where
// that is the time of one of the build's sources: a commit's, a server's Last-Modified, or
// the newest of an archive's files.
package epoch

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"cove/builder/buildctx"
	"cove/builder/dockerfile/sourcedate"
	"cove/builder/fetch"
	"cove/builder/plan"
	"cove/builder/source"
	"cove/errdefs"
	"cove/internal/process"
	"cove/layers/compress"
	_ "cove/layers/compress/codec/linked"
)

// Sources are what a build reads.
type Sources struct {
	Dockerfile sourcedate.Dockerfile
	// Main is the context. Named opens one that has a name, if one has it; nil is one that
	// is no files, as an image. Who is given one closes it.
	Main  *source.Context
	Named func(ctx context.Context, name string) (c *source.Context, known bool, err error)
	// HTTP and Git fetch what a stage ADDs, into a directory of State.
	HTTP  *http.Client
	Git   fetch.Git
	State string
}

// Find is the time that is said, nil for none, and the arguments for the build: a stage that
// declares this one is given the time, not the name of what has it. Where the source that is
// named has no time, as a directory, nothing is said.
func (s Sources) Find(ctx context.Context) (at *time.Time, args map[string]string, err error) {
	args = s.Dockerfile.Args
	said, where := s.Dockerfile.Value()
	if said == "" {
		return nil, args, nil
	}
	if seconds, ok := sourcedate.Parse(said); ok {
		return &seconds, args, nil
	}
	if at, err = s.of(ctx, said); err != nil && where.Line > 0 {
		err = plan.At(where, err)
	}
	args = maps.Clone(args)
	if args == nil {
		args = map[string]string{}
	}
	args[sourcedate.Arg] = sourcedate.Format(at)
	return at, args, err
}

// of is the time of a source.
func (s Sources) of(ctx context.Context, name string) (*time.Time, error) {
	if name == sourcedate.Context {
		return s.Main.Made()
	}
	if named, known, err := s.Named(ctx, name); err != nil || known && named == nil {
		return nil, err
	} else if known {
		at, err := named.Made()
		return at, errors.Join(err, named.Close())
	}
	src, ok, err := s.Dockerfile.Stage(name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"%s=%s is no number of seconds, and there is no build context or stage of that name; "+
				"%s means the context", sourcedate.Arg, name, sourcedate.Context)
	}
	return s.fetched(ctx, src)
}

// fetched is the time of what an ADD fetches.
func (s Sources) fetched(ctx context.Context, src plan.Source) (at *time.Time, err error) {
	if src.URL != "" {
		if at := fetch.Modified(ctx, s.HTTP, src.URL); at != nil {
			return at, nil
		}
	}
	if err := os.MkdirAll(s.State, 0o700); err != nil {
		return nil, buildctx.FileError(s.State, err)
	}
	dir, err := os.MkdirTemp(s.State, "context-"+process.Tag()+"-*")
	if err != nil {
		return nil, buildctx.FileError(s.State, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	name := filepath.Join(dir, src.Name)
	if src.Git != nil {
		// Everything in a checkout has the commit's time.
		name, _, err = s.Git.Checkout(ctx, src.Git, dir)
	} else {
		err = fetch.File(ctx, s.HTTP, dir, src, s.Git.Lock)
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, buildctx.FileError(name, err)
	}
	if modified := info.ModTime().UTC(); modified.Unix() != 0 {
		return &modified, nil
	}
	return newest(ctx, name)
}

// newest is the time of the newest file in an archive, nil of what is none.
func newest(ctx context.Context, name string) (at *time.Time, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, buildctx.FileError(name, err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 4096)
	head, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, buildctx.FileError(name, err)
	}
	if !buildctx.IsArchive(head) {
		return nil, nil
	}
	plain, err := compress.NewReader(ctx, in, compress.Limits{})
	if err != nil {
		return nil, nil // it is no archive, which the ADD finds, too
	}
	defer plain.Close()
	for tr := tar.NewReader(plain); ; {
		h, err := tr.Next()
		if err != nil {
			return at, nil // its end, or what the ADD finds, too
		}
		if h.Typeflag == tar.TypeReg && (at == nil || h.ModTime.After(*at)) {
			t := h.ModTime.UTC().Truncate(time.Second)
			at = &t
		}
	}
}
