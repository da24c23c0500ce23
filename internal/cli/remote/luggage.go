package remote

import (
	"archive/tar"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/remote/parcel"
	"cove/layers/archive"
)

// Where a parcel lies is known when it is there: until then its two directories are
// words that no argument can have.
const (
	onDisk   = "\x00disk"
	inMemory = "\x00memory"
)

// Luggage is what a command takes along to another machine and brings back: its
// flags and arguments name the copies there.
type Luggage struct {
	// Args are the arguments of the command, In its standard input if not this one's.
	Args []string
	In   io.Reader

	flags  map[string][]string
	pieces []parcel.Piece
	back   []back
	agents []string // sockets of here
}

// back is something that the command writes there and is wanted here.
type back struct {
	name  string // below the disk's directory
	write func(ctx context.Context, r io.Reader) error
}

// Packer fills the luggage of a command whose files only its own program can read.
type Packer func(ctx context.Context, cmd *cobra.Command, l *Luggage) error

// Set gives a flag other values; none leaves it out.
func (l *Luggage) Set(flag string, values ...string) {
	if l.flags == nil {
		l.flags = map[string][]string{}
	}
	l.flags[flag] = values
}

// folder is a name of its own below a parcel's directory.
func (l *Luggage) folder() string { return strconv.Itoa(len(l.pieces) + len(l.back)) }

// Tree takes a file or directory along, and returns its name there. keep chooses by
// names below it; nil is all.
func (l *Luggage) Tree(path string, keep func(rel string) bool) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
	}
	return l.take(real, baseOf(abs), keep), nil
}

// take is Tree of what is not followed when it is a link.
func (l *Luggage) take(path, base string, keep func(rel string) bool) string {
	name := l.folder() + "/" + base
	l.pieces = append(l.pieces, parcel.Piece{Name: name, Path: path, Keep: keep})
	return onDisk + "/" + name
}

// baseOf is the last name of an absolute path; the root has none.
func baseOf(abs string) string {
	if base := filepath.Base(abs); base != "/" {
		return base
	}
	return "root"
}

// Text takes a text along that is kept in memory there, and returns its name.
func (l *Luggage) Text(base string, text []byte) string {
	name := l.folder() + "/" + base
	l.pieces = append(l.pieces, parcel.Piece{Name: name, Text: text, Secret: true})
	return inMemory + "/" + name
}

// Beside is Text for a file that belongs to one that Text took.
func (l *Luggage) Beside(name string, text []byte) {
	l.pieces = append(l.pieces, parcel.Piece{Name: strings.TrimPrefix(name, inMemory+"/"), Text: text, Secret: true})
}

// InDirectory is a text that is there before the command, in what File or Directory
// brings back.
func (l *Luggage) InDirectory(name string, text []byte) {
	l.pieces = append(l.pieces, parcel.Piece{Name: strings.TrimPrefix(name, onDisk+"/"), Text: text})
}

// Agent has the socket of an agent of here answer there, and returns its name.
func (l *Luggage) Agent(socket string) string {
	l.agents = append(l.agents, socket)
	return inMemory + "/agent" + strconv.Itoa(len(l.agents)-1)
}

// File brings a file back, to be written here by write, and returns its name there.
func (l *Luggage) File(base string, write func(r io.Reader) error) string {
	folder := l.bring(func(_ context.Context, r io.Reader) error {
		tr := tar.NewReader(r)
		hdr, err := tr.Next()
		switch {
		case err == io.EOF:
			return nil // it was not written
		case err != nil:
			return err
		case hdr.Typeflag != tar.TypeReg:
			return errdefs.Errorf(errdefs.ErrInvalid, "the other side gives no file for %s", base)
		}
		return write(tr)
	})
	return folder + "/" + base
}

// Directory brings a directory back into one of here. If it is to be added to, it goes
// there first.
func (l *Luggage) Directory(dir string, add bool) string {
	there := l.bring(func(ctx context.Context, r io.Reader) error {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		return unpack(ctx, r, dir, false)
	})
	if info, err := os.Stat(dir); add && err == nil && info.IsDir() {
		piece := &l.pieces[len(l.pieces)-1]
		piece.Name, piece.Path = strings.TrimSuffix(piece.Name, "/"), dir+"/."
	}
	return there
}

func (l *Luggage) bring(write func(ctx context.Context, r io.Reader) error) string {
	name := l.folder()
	l.pieces = append(l.pieces, parcel.Piece{Name: name + "/"}) // which is there before the command
	l.back = append(l.back, back{name, write})
	return onDisk + "/" + name
}

// unpack extracts what comes back, as files of who asked for it unless owners are kept.
func unpack(ctx context.Context, r io.Reader, dir string, keepOwners bool) error {
	return archive.Extract(ctx, dir, r, archive.Options{
		Limits: archive.Limits{Bytes: -1, Entries: -1},
		Rewrite: func(hdr *tar.Header) bool {
			if !keepOwners {
				hdr.Uid, hdr.Gid = os.Getuid(), os.Getgid()
			}
			return true
		},
	})
}

func (l *Luggage) empty() bool { return len(l.flags)+len(l.pieces)+len(l.agents) == 0 && l.In == nil }

// words are those of the command there.
func (l *Luggage) words(i invocation, dirs parcel.Dirs) []string {
	words := i.words(l.flags, l.Args)
	there := strings.NewReplacer(onDisk, dirs.Disk, inMemory, dirs.Memory)
	for n, w := range words {
		words[n] = there.Replace(w)
	}
	return words
}

// options have ssh answer there for agents of here. The connection is one of its own: a
// shared one would go on doing so.
func (l *Luggage) options(dirs parcel.Dirs) []string {
	if len(l.agents) == 0 {
		return nil
	}
	options := []string{"-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes"}
	for n, socket := range l.agents {
		options = append(options, "-R", dirs.Memory+"/agent"+strconv.Itoa(n)+":"+socket)
	}
	return options
}

// travel does a command there with its luggage.
func (e Endpoint) travel(ctx context.Context, a *app.App, i invocation, l *Luggage) (err error) {
	if len(l.pieces)+len(l.agents) == 0 {
		return e.child(ctx, a, i, child{words: l.words(i, parcel.Dirs{}), in: l.In})
	}
	conn, err := e.dial(ctx, a, i)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := conn.Close(); err == nil {
			err = closeErr
		}
	}()
	p, err := parcel.Open(ctx, conn, l.pieces)
	if err != nil {
		return interrupted(ctx, err)
	}
	err = e.child(ctx, a, i, child{words: l.words(i, p.Dirs), options: l.options(p.Dirs), in: l.In})
	if err != nil {
		return err
	}
	for _, b := range l.back {
		if err := p.Fetch(b.name, func(r io.Reader) error { return b.write(ctx, r) }); err != nil {
			return interrupted(ctx, err)
		}
	}
	return nil
}

// interrupted is why a parcel did not travel. ctrl-c at a terminal is also ssh's, which
// may have ended, and with it the connection, before it is told here.
func interrupted(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(200 * time.Millisecond):
		return err
	}
}
