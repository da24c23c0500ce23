package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/go-units"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/remote/parcel"
)

// copies takes along what cp copies in, and brings back what it copies out. What cp says
// of names goes by what is here.
func (i invocation) copies(a *app.App, l *Luggage) error {
	from, to := inContainer(i.args[0]), inContainer(i.args[1])
	if i.args[0] == "-" || i.args[1] == "-" || from == to {
		return nil // a stream, or what the other side refuses
	}
	if to {
		return i.copyIn(l)
	}
	return i.copyOut(a, l)
}

// inContainer reports whether an argument of cp is CONTAINER:PATH.
func inContainer(arg string) bool {
	if strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, ".") {
		return false
	}
	container, _, ok := strings.Cut(arg, ":")
	return ok && container != ""
}

func (i invocation) copyIn(l *Luggage) error {
	src := i.args[0]
	abs, err := filepath.Abs(src)
	if err != nil {
		return err
	}
	path, end := abs, ""
	switch {
	case filepath.Base(src) == "." || src == "..":
		end = "/."
	case strings.HasSuffix(src, "/"):
		end = "/"
	}
	if end != "" || i.flag("follow-link") == "true" {
		if path, err = filepath.EvalSymlinks(abs); err != nil {
			return errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
		}
	}
	if info, err := os.Lstat(path); err != nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "no such file or directory: %s", src)
	} else if end != "" && !info.IsDir() {
		return errdefs.Errorf(errdefs.ErrInvalid, "not a directory: %s", src)
	}
	l.Args = []string{l.take(path, baseOf(abs), nil) + end, i.args[1]}
	return nil
}

// copyOut has the other side copy to a place that is like that of here: a directory, a
// file, or nothing yet.
func (i invocation) copyOut(a *app.App, l *Luggage) error {
	dst := i.args[1]
	abs, err := filepath.Abs(dst)
	if err != nil {
		return err
	}
	info, err := os.Stat(abs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	into, base := abs, ""
	if err != nil || !info.IsDir() {
		into, base = filepath.Dir(abs), "/"+filepath.Base(abs)
		switch slash := strings.HasSuffix(dst, "/"); {
		case slash && err == nil:
			return errdefs.Errorf(errdefs.ErrInvalid, "not a directory: %s", dst)
		case slash:
			base += "/"
		}
		if parent, err := os.Stat(into); err != nil || !parent.IsDir() {
			return errdefs.Errorf(errdefs.ErrNotFound, "no such directory: %s", into)
		}
	}
	keepOwners, quiet := i.flag("archive") == "true", i.flag("quiet") == "true"
	there := l.bring(func(ctx context.Context, r io.Reader) error {
		counted := &counter{r: r}
		if err := unpack(ctx, counted, into, keepOwners); err != nil || quiet {
			return err
		}
		size := units.HumanSizeWithPrecision(float64(counted.n), 3)
		_, err := fmt.Fprintf(a.Err, "Successfully copied %s to %s\n", size, dst)
		return err
	})
	if err == nil && !info.IsDir() { // so that a directory is refused there
		l.pieces = append(l.pieces, parcel.Piece{Name: strings.TrimPrefix(there, onDisk+"/") + base, Text: []byte{}})
	}
	l.Set("quiet", "true")
	l.Args = []string{i.args[0], there + base}
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
