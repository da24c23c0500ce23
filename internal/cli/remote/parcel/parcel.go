// Package parcel carries the files of a command that is done on another machine: what it
// reads goes there before it begins, what it wrote comes back when it has ended. The
// far side keeps both in directories of its own for as long as the connection lasts.
package parcel

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/archive"
)

// Dirs are where the far side keeps a parcel.
type Dirs struct {
	// Disk has what may be large, Memory, which ends with the machine's boot, what
	// is secret.
	Disk, Memory string
}

// Piece is a file, or a directory with all that is in it, that goes to the far side.
type Piece struct {
	// Name is where it is there, below its directory.
	Name string
	// Path is where it is here; "" has Text sent instead, or, when Name ends with a
	// slash, an empty directory made.
	Path string
	Text []byte
	// Secret goes to Dirs.Memory.
	Secret bool
	// Keep says what of a directory goes; nil is all.
	Keep func(rel string) bool
}

// Open sends pieces over a connection, and says where they are then.
func Open(ctx context.Context, conn io.ReadWriter, pieces []Piece) (*Parcel, error) {
	p := &Parcel{conn: conn, r: bufio.NewReader(conn)}
	var sendErr error
	for _, secret := range []bool{false, true} {
		if sendErr == nil {
			sendErr = send(conn, func(w io.Writer) error { return pack(ctx, w, pieces, secret) })
		}
	}
	if sendErr != nil && !errors.Is(sendErr, unix.EPIPE) && !errors.Is(sendErr, io.ErrClosedPipe) {
		return nil, sendErr // of here; who hung up says why
	}
	dirs, err := hear(p.r)
	if err != nil {
		return nil, err
	}
	p.Dirs = dirs
	return p, nil
}

// Parcel is what lies on the far side.
type Parcel struct {
	Dirs
	conn io.ReadWriter
	r    *bufio.Reader
}

// Fetch reads the tar of what is in a directory below Dirs.Disk. The names in it are
// relative to that.
func (p *Parcel) Fetch(name string, read func(io.Reader) error) error {
	if _, err := io.WriteString(p.conn, name+"\n"); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "asking for what was written there: %w", err)
	}
	in := &reader{r: p.r}
	err := read(in)
	if _, drainErr := io.Copy(io.Discard, in); drainErr != nil {
		return errors.Join(err, drainErr)
	}
	_, hearErr := hear(p.r) // why the archive has no end, if it has none
	return cmp.Or(hearErr, err)
}

// Serve is the far side. It ends when the connection does.
func Serve(ctx context.Context, in io.Reader, out io.Writer, dirs Dirs) error {
	r := bufio.NewReader(in)
	for _, dir := range []string{dirs.Disk, dirs.Memory} {
		stream := &reader{r: r}
		err := archive.Extract(ctx, dir, stream, archive.Options{
			Limits: archive.Limits{Bytes: -1, Entries: -1}, // whose files they are chose them
		})
		if err == nil {
			_, err = io.Copy(io.Discard, stream)
		}
		if err != nil {
			return errors.Join(err, say(out, answer{Error: err.Error()}))
		}
	}
	if err := say(out, answer{Dirs: dirs}); err != nil {
		return err
	}
	for {
		line, err := readLine(r)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := giveBack(ctx, out, dirs.Disk, string(line)); err != nil {
			return err
		}
	}
}

// giveBack packs what was written. An error on the way is told in the place of the end.
func giveBack(ctx context.Context, out io.Writer, dir, name string) error {
	if !filepath.IsLocal(name) {
		return errdefs.Errorf(errdefs.ErrInvalid, "%q is nothing of a parcel", name)
	}
	var packErr error
	err := send(out, func(w io.Writer) error {
		packErr = archive.Pack(ctx, w, filepath.Join(dir, name), archive.PackOptions{})
		return nil
	})
	if err != nil {
		return err
	}
	if packErr != nil {
		return say(out, answer{Error: packErr.Error()})
	}
	return say(out, answer{})
}

// pack writes the pieces of one directory as a tar.
func pack(ctx context.Context, w io.Writer, pieces []Piece, secret bool) error {
	aw := archive.NewWriter(w, archive.PackOptions{Skip: func(name string) bool {
		for _, p := range pieces {
			rel, below := strings.CutPrefix(name, p.Name+"/")
			if below && p.Keep != nil && p.Secret == secret {
				return !p.Keep(rel)
			}
		}
		return false
	}})
	for _, p := range pieces {
		if p.Secret != secret {
			continue
		}
		if err := add(ctx, aw, p); err != nil {
			return err
		}
	}
	return aw.Close()
}

func add(ctx context.Context, aw *archive.Writer, p Piece) error {
	if p.Path == "" && strings.HasSuffix(p.Name, "/") {
		return aw.Add(&tar.Header{Typeflag: tar.TypeDir, Name: p.Name, Mode: 0o700}, nil)
	}
	if p.Path == "" {
		return aw.Add(&tar.Header{
			Typeflag: tar.TypeReg, Name: p.Name, Mode: 0o600, Size: int64(len(p.Text)),
		}, bytes.NewReader(p.Text))
	}
	dir, base := filepath.Split(p.Path)
	if base == "" || base == ".." {
		dir, base = p.Path, "."
	}
	if dir == "" {
		dir = "."
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "%s: %w", p.Path, err)
	}
	defer unix.Close(fd)
	return aw.Tree(ctx, fd, base, p.Name)
}
