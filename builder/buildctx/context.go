package buildctx

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"cove/errdefs"
	"cove/internal/process"
	"cove/layers/archive"
	"cove/layers/compress"
)

// Source says where a context comes from.
type Source struct {
	// Dir is a directory, or "-" for Stdin: a tar archive, compressed or not,
	// or a Dockerfile, which then has an empty context.
	Dir string
	// Dockerfile is a path from the working directory, as docker takes it, or
	// else below the context; "" for "Dockerfile" there, or "-" for Stdin.
	Dockerfile string
	Stdin      io.Reader
	// State is a directory for the stat cache and for what is unpacked.
	State string
	// Step, if not nil, is told what is done, and does it.
	Step func(name string, do func() error) error
}

func (s Source) step(name string, do func() error) error {
	if s.Step == nil {
		return do()
	}
	return s.Step(name, do)
}

// Context is an opened build context.
type Context struct {
	*Tree
	// Dockerfile is the file's text, Name its name in messages.
	Dockerfile []byte
	Name       string
	path       string // of the Dockerfile: absolute, or below the context
	temp       string
}

const (
	dockerfileName = "Dockerfile"
	maxDockerfile  = 16 << 20
)

// OpenContext opens a context and reads its Dockerfile. Close it.
func OpenContext(ctx context.Context, src Source) (c *Context, err error) {
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
	err = src.step("[internal] load build definition from "+name, func() error { return c.readDockerfile(src) })
	if err != nil {
		return c, err
	}
	return c, src.step("[internal] load .dockerignore", func() error {
		ignore, err := c.readIgnore(src)
		if err != nil {
			return err
		}
		return c.apply(ignore)
	})
}

// openTree opens the context's directory, or that which its archive becomes.
func (c *Context) openTree(ctx context.Context, src Source) (err error) {
	dir := src.Dir
	if src.Dir == "-" {
		if dir, err = c.unpack(ctx, src); err != nil {
			return err
		}
	}
	stats, err := OpenStats(statsPath(src.State, dir))
	if err != nil {
		return err
	}
	if c.temp != "" {
		stats = nil
	}
	c.Tree, err = Open(dir, nil, stats)
	return err
}

// Close saves the stat cache and frees the context.
func (c *Context) Close() error {
	var errs []error
	if c.Tree != nil {
		errs = append(errs, c.stats.Save(), c.Tree.Close())
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

// unpack puts stdin into a directory of its own: an archive, or a Dockerfile.
func (c *Context) unpack(ctx context.Context, src Source) (string, error) {
	if src.Stdin == nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "build: the context is - but there is no stdin")
	}
	if err := os.MkdirAll(src.State, 0o700); err != nil {
		return "", fileError(src.State, err)
	}
	temp, err := os.MkdirTemp(src.State, "context-"+process.Tag()+"-*")
	if err != nil {
		return "", fileError(src.State, err)
	}
	c.temp = temp
	in := bufio.NewReaderSize(src.Stdin, 4096)
	head, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "build: reading stdin: %w", err)
	}
	if !IsArchive(head) {
		if c.Dockerfile, err = readAll(in, "stdin", maxDockerfile); err != nil {
			return "", err
		}
		c.Name = "stdin"
		return temp, nil
	}
	r, err := compress.NewReader(ctx, in, compress.Limits{})
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "build: context from stdin: %w", err)
	}
	defer r.Close()
	if err := archive.Extract(ctx, temp, r, archive.Options{Unprivileged: true}); err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "build: context from stdin: %w", err)
	}
	return temp, nil
}

// IsArchive tells from its first 512 bytes whether a file is a tar archive, or
// compressed and so perhaps one.
func IsArchive(head []byte) bool {
	return compress.Detect(head) != compress.None || len(head) >= 263 && bytes.Equal(head[257:262], []byte("ustar"))
}

func (c *Context) readDockerfile(src Source) (err error) {
	switch {
	case c.Dockerfile != nil:
		return nil
	case src.Dockerfile == "-":
		if src.Stdin == nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "build: the Dockerfile is - but there is no stdin")
		}
		c.Name = "stdin"
		c.Dockerfile, err = readAll(src.Stdin, c.Name, maxDockerfile)
		return err
	}
	c.Name = cmp.Or(src.Dockerfile, dockerfileName)
	c.path = c.Name
	if info, statErr := os.Stat(src.Dockerfile); statErr == nil && info.Mode().IsRegular() {
		if c.path, err = filepath.Abs(src.Dockerfile); err != nil {
			return err
		}
	}
	c.Dockerfile, err = c.readFile(c.path, maxDockerfile)
	if errors.Is(err, errdefs.ErrNotFound) {
		return errdefs.Errorf(errdefs.ErrNotFound,
			"build: there is no %s here or in the context %s; name another with -f", c.Name, src.Dir)
	}
	return err
}

// readIgnore reads DOCKERFILE.dockerignore, or else .dockerignore.
func (c *Context) readIgnore(src Source) (*Ignore, error) {
	names := []string{".dockerignore"}
	if src.Dockerfile != "-" && c.Name != "stdin" {
		names = []string{c.path + ".dockerignore", ".dockerignore"}
	}
	for _, name := range names {
		text, err := c.readFile(name, maxIgnore)
		if errors.Is(err, errdefs.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return ParseIgnore(path.Base(name), text)
	}
	return nil, nil
}

// readFile reads a small file: below the context, with links followed inside
// it, or anywhere when the user gave an absolute path.
func (c *Context) readFile(name string, limit int64) ([]byte, error) {
	if filepath.IsAbs(name) {
		f, err := os.Open(name)
		if err != nil {
			return nil, fileError(name, err)
		}
		defer f.Close()
		return readAll(f, name, limit)
	}
	_, e, err := c.Resolve(name)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%s: no such file", name)
	}
	if !e.IsRegular() {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s is not a regular file", name)
	}
	f, err := c.open(e)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, name, limit)
}

func readAll(r io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fileError(name, err)
	}
	if int64(len(data)) > limit {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: larger than %d bytes", strings.TrimSpace(name), limit)
	}
	return data, nil
}
