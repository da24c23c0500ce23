// Package source opens what a build is given to read: its context, from a
// directory, an archive, a URL or a git repository, with the Dockerfile and the
// ignore rules in it, and the contexts that have names.
package source

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"cove/builder/buildctx"
	"cove/builder/buildctx/prints"
	"cove/builder/fetch"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/process"
	"cove/layers/archive"
	"cove/layers/compress"
	_ "cove/layers/compress/codec/linked"
)

// Source says where a context comes from.
type Source struct {
	// Dir is a directory, a git repository (plan.IsGit), or a URL or "-" for Stdin:
	// a tar archive, compressed or not, or a Dockerfile, which then has an empty
	// context.
	Dir string
	// Dockerfile is a path from the working directory, as docker takes it, or
	// else below the context; "" for "Dockerfile" there, or "-" for Stdin.
	Dockerfile string
	Stdin      io.Reader
	// Received, if not nil, is the Dockerfile where the caller has it already.
	Received *Received
	// HTTP fetches archives; nil is http.DefaultClient.
	HTTP *http.Client
	// Git fetches repositories; its Lock is that of archives as well.
	Git fetch.Git
	// State is a directory for the stat cache and for what is unpacked.
	State string
	// Step, if not nil, is told what is done, and does it.
	Step func(name string, do func() error) error
}

// Received is a Dockerfile that a client sent, beside a context that is here for
// one build alone, so that nothing is remembered of its files, unless it is kept.
type Received struct {
	// Name is the Dockerfile's in messages.
	Name       string
	Dockerfile []byte
	// Ignore is the text of the rules of what is no part of the context.
	Ignore []byte
	// Kept says that the context stays where it is, for later builds.
	Kept bool
}

func (s Source) step(name string, do func() error) error {
	if s.Step == nil || s.Received != nil {
		return do() // what takes time was done before
	}
	return s.Step(name, do)
}

// Context is an opened build context.
type Context struct {
	*buildctx.Tree
	// Dockerfile is the file's text, Name its name in messages.
	Dockerfile []byte
	Name       string
	// Commit is that of a context which is a repository.
	Commit   string
	remote   bool
	dir      string     // of its files
	modified *time.Time // as a server says
	path     string     // of the Dockerfile: absolute, or below the context
	temp     string
	identity string
	shared   bool
}

// Identity is equal for contexts that hold the same files: those of one place by the
// same ignore rules.
func (c *Context) Identity() string { return c.identity }

// Remote says whether the context came from elsewhere: an archive, a repository.
func (c *Context) Remote() bool { return c.remote }

// Made is the time of what a context from elsewhere is: of the commit, as the server says, or
// of the newest file in the archive. A directory has none, and it is nil.
func (c *Context) Made() (at *time.Time, err error) {
	switch {
	case c.modified != nil:
		return c.modified, nil
	case c.Commit != "": // of which everything has the time
		info, err := os.Stat(c.dir)
		if err != nil {
			return nil, buildctx.FileError(c.dir, err)
		}
		made := info.ModTime().UTC()
		return &made, nil
	case !c.remote:
		return nil, nil
	}
	err = filepath.WalkDir(c.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if made := info.ModTime().UTC().Truncate(time.Second); err == nil && (at == nil || made.After(*at)) {
			at = &made
		}
		return err
	})
	if err != nil {
		return nil, buildctx.FileError(c.dir, err)
	}
	return at, nil
}

// Path is where the Dockerfile was read: an absolute path, or one below the context; ""
// if it was no file.
func (c *Context) Path() string { return c.path }

// Share returns the same context for another build, which closes nothing.
func (c *Context) Share() *Context {
	other := *c
	other.shared = true
	return &other
}

const (
	dockerfileName = "Dockerfile"
	lowerName      = "dockerfile" // is read where there is no other
	maxDockerfile  = 16 << 20
)

// stdin is how standard input is written, as a context or a Dockerfile.
const stdin = "-"

// FromStdin is the name of a Dockerfile that was read from standard input.
const FromStdin = "stdin"

// Remote says that a context is no directory of this machine.
func Remote(dir string) bool { return dir == stdin || Elsewhere(dir) }

// Elsewhere says that a context is a repository, or at a URL.
func Elsewhere(dir string) bool { return plan.IsGit(dir) || isURL(dir) }

func isURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }

// Open opens a context and reads its Dockerfile. Close it.
func Open(ctx context.Context, src Source) (c *Context, err error) {
	c = &Context{}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if src.Dir == "-" && src.Dockerfile == "-" {
		return c, errdefs.Errorf(errdefs.ErrInvalid, "build: the context and the Dockerfile cannot both be stdin")
	}
	err = src.step("[internal] load build context", func() error { return c.openTree(ctx, src) })
	if err != nil {
		return c, err
	}
	name := cmp.Or(src.Dockerfile, dockerfileName)
	if name == "-" {
		name = dockerfileName // which has no other name
	}
	err = src.step("[internal] load build definition from "+name, func() error { return c.readDockerfile(src) })
	if err != nil {
		return c, err
	}
	return c, src.step("[internal] load .dockerignore", func() error {
		ignore, err := c.readIgnore(src)
		if err != nil {
			return err
		}
		c.identity = src.Dir + "\x00" + ignore.String()
		return c.Ignore(ignore)
	})
}

// openTree opens the context's directory, or that which its archive becomes.
func (c *Context) openTree(ctx context.Context, src Source) (err error) {
	dir := src.Dir
	if c.remote = Remote(src.Dir); c.remote {
		if dir, err = c.fetch(ctx, src); err != nil {
			return err
		}
	}
	c.dir = dir
	stats, err := buildctx.OpenStats(statsPath(src.State, dir))
	if err != nil {
		return err
	}
	if c.temp != "" || src.Received != nil && !src.Received.Kept {
		stats = nil
	}
	if c.Tree, err = buildctx.Open(dir, nil, stats); err != nil {
		return err
	}
	c.Prints = prints.Open(filepath.Join(src.State, "stat", "prints"))
	return nil
}

// Close saves the stat cache and frees the context.
func (c *Context) Close() error {
	if c.shared {
		return nil
	}
	var errs []error
	if c.Tree != nil {
		errs = append(errs, c.SaveStats(), c.Tree.Close())
	}
	if c.temp != "" {
		errs = append(errs, os.RemoveAll(c.temp))
	}
	return errors.Join(errs...)
}

// statsPath names the stat cache of a context by the context's path.
func statsPath(state, dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(state, "stat", hex.EncodeToString(sum[:16]))
}

// makeTemp makes a directory that goes with the context.
func (c *Context) makeTemp(src Source) error {
	if err := os.MkdirAll(src.State, 0o700); err != nil {
		return buildctx.FileError(src.State, err)
	}
	temp, err := os.MkdirTemp(src.State, "context-"+process.Tag()+"-*")
	if err != nil {
		return buildctx.FileError(src.State, err)
	}
	c.temp = temp
	return nil
}

// fetch brings a context that is no directory here, and returns where it is.
func (c *Context) fetch(ctx context.Context, src Source) (string, error) {
	if src.Dir == stdin && src.Stdin == nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "build: the context is - but there is no stdin")
	}
	if err := c.makeTemp(src); err != nil {
		return "", err
	}
	switch {
	case src.Dir == stdin:
		return c.temp, c.unpack(ctx, FromStdin, src.Stdin)
	case plan.IsGit(src.Dir):
		repo, err := plan.ParseGit(src.Dir)
		if err != nil {
			return "", err
		}
		dir, commit, err := src.Git.Checkout(ctx, repo, c.temp)
		c.Commit = commit
		return dir, err
	}
	client := cmp.Or(src.HTTP, http.DefaultClient)
	return c.temp, fetch.Read(ctx, client, src.Dir, src.Git.Lock, func(body io.Reader, modified *time.Time) error {
		c.modified = modified
		return c.unpack(ctx, plan.ShowURL(src.Dir), body)
	})
}

// unpack puts an archive into the context's own directory. What is no archive is
// a Dockerfile, whose context is empty.
func (c *Context) unpack(ctx context.Context, name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, 4096)
	head, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: reading %s: %w", name, err)
	}
	if !buildctx.IsArchive(head) {
		if c.Dockerfile, err = buildctx.ReadAll(in, name, maxDockerfile); err != nil {
			return err
		}
		c.Name = name
		return nil
	}
	plain, err := compress.NewReader(ctx, in, compress.Limits{})
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "build: context from %s: %w", name, err)
	}
	defer plain.Close()
	if err := archive.Extract(ctx, c.temp, plain, archive.Options{Unprivileged: true}); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "build: context from %s: %w", name, err)
	}
	return nil
}

func (c *Context) readDockerfile(src Source) (err error) {
	switch {
	case c.Dockerfile != nil:
		return nil
	case src.Received != nil:
		c.Name, c.Dockerfile = src.Received.Name, src.Received.Dockerfile
		return nil
	case src.Dockerfile == "-":
		if src.Stdin == nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "build: the Dockerfile is - but there is no stdin")
		}
		c.Name = FromStdin
		c.Dockerfile, err = buildctx.ReadAll(src.Stdin, c.Name, maxDockerfile)
		return err
	}
	c.Name = cmp.Or(src.Dockerfile, dockerfileName)
	if src.Dockerfile == "" && !c.has(dockerfileName) && c.has(lowerName) {
		c.Name = lowerName
	}
	c.path = c.Name
	info, statErr := os.Stat(src.Dockerfile)
	if !Remote(src.Dir) && statErr == nil && info.Mode().IsRegular() {
		if c.path, err = filepath.Abs(src.Dockerfile); err != nil {
			return err
		}
	}
	if err = errdefs.ErrNotFound; filepath.IsAbs(c.path) || filepath.IsLocal(c.path) {
		c.Dockerfile, err = c.readFile(c.path, maxDockerfile)
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		return errdefs.Errorf(errdefs.ErrNotFound,
			"build: there is no %s here or in the context %s; name another with -f", c.Name, plan.ShowURL(src.Dir))
	}
	return err
}

// readIgnore reads DOCKERFILE.dockerignore, or else .dockerignore.
func (c *Context) readIgnore(src Source) (*buildctx.Ignore, error) {
	if src.Received != nil {
		return buildctx.ParseIgnore(".dockerignore", src.Received.Ignore)
	}
	names := []string{".dockerignore"}
	if src.Dockerfile != "-" && c.Name != FromStdin {
		names = []string{c.path + ".dockerignore", ".dockerignore"}
	}
	for _, name := range names {
		text, err := c.readFile(name, buildctx.MaxIgnore)
		if errors.Is(err, errdefs.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return buildctx.ParseIgnore(path.Base(name), text)
	}
	return nil, nil
}

// has says whether the context has a file of this name.
func (c *Context) has(name string) bool {
	e, err := c.Lstat(name)
	return err == nil && e != nil
}

// readFile reads a small file: below the context, or anywhere when the user gave
// an absolute path.
func (c *Context) readFile(name string, limit int64) ([]byte, error) {
	if !filepath.IsAbs(name) {
		return c.ReadFile(name, limit)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, buildctx.FileError(name, err)
	}
	defer f.Close()
	return buildctx.ReadAll(f, name, limit)
}
