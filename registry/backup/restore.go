package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/registry/db"
	"cove/registry/db/dump"
	"cove/registry/fsck"
	"cove/registry/metadata"
	"cove/registry/pairing"
	"cove/registry/storage"
)

// restoringFile marks a root in which a restore has begun and not ended: what is
// there is not whole, and must not be served.
const restoringFile = "restoring"

// Check refuses a root in which a restore was cut off.
func Check(root *os.Root) error {
	if !isHalf(root) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrConflict, "registry root %s: a restore into it was cut off; run it again", root.Name())
}

func isHalf(root *os.Root) bool {
	_, err := root.Lstat(restoringFile)
	return !errors.Is(err, fs.ErrNotExist)
}

// Destination is where a registry is restored to. Nobody else uses it.
type Destination struct {
	Root *os.Root
	DSN  string
	// Storage says where the bytes go, once the database is open.
	Storage func(*metadata.DB) storage.Config
}

// Restored is what a restore has brought back, and what a check of it says.
type Restored struct {
	Summary
	Checked fsck.Checked
}

// Restore makes a registry out of a backup, where none is, and checks all of it.
// One that was cut off is begun again, and goes on.
func Restore(ctx context.Context, to Destination, from Reader, found func(fsck.Finding)) (done Restored, err error) {
	m, err := to.database(ctx, from)
	if err != nil {
		return done, err
	}
	defer closeBoth(&err, m)
	held, err := storage.Open(ctx, to.Storage(m))
	if err != nil {
		return done, err
	}
	defer closeBoth(&err, held)
	done.Summary, err = from.Rest(ctx, func(f File) error { return WriteFiles(to.Root, []File{f}) }, keep(ctx, held))
	if err != nil {
		return done, err
	}
	p, err := pairing.Look(ctx, to.Root.Name(), m, held)
	if err == nil {
		err = p.Pair(ctx, m, held)
	}
	if err == nil {
		err = to.Root.Remove(restoringFile)
	}
	if err != nil {
		return done, err
	}
	done.Checked, err = fsck.Run(ctx, held.Bytes, m, false, found)
	return done, err
}

// database fills the database and opens it.
func (to Destination) database(ctx context.Context, from Reader) (*metadata.DB, error) {
	if err := to.emptyOrHalf(ctx); err != nil {
		return nil, err
	}
	if err := atomicfile.Write(to.Root, restoringFile, nil, 0o600, atomicfile.Durable); err != nil {
		return nil, err
	}
	for _, name := range []string{"", "-wal", "-shm", ".restored"} {
		if err := to.Root.Remove(pairing.DatabaseFile + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	file := filepath.Join(to.Root.Name(), pairing.DatabaseFile+".restored")
	if err := from.Database(ctx, file); err != nil {
		return nil, err
	}
	err := dump.Check(ctx, file)
	switch {
	case err != nil:
	case db.IsPostgres(to.DSN):
		err = errors.Join(dump.Read(ctx, file, metadata.Config{DSN: to.DSN}.Connection()), os.Remove(file))
	default:
		err = to.Root.Rename(filepath.Base(file), pairing.DatabaseFile)
	}
	if err != nil {
		return nil, err
	}
	return metadata.Open(ctx, metadata.Config{DSN: to.DSN})
}

// emptyOrHalf refuses a place where a registry is.
func (to Destination) emptyOrHalf(ctx context.Context) error {
	if isHalf(to.Root) {
		return nil
	}
	occupied := func(what string) error {
		return errdefs.Errorf(errdefs.ErrConflict, "%s holds a registry already; restore into an empty place, and then "+
			"put it where this one is", what)
	}
	for _, name := range []string{pairing.DatabaseFile, contentName} {
		if _, err := to.Root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return occupied(to.Root.Name())
		}
	}
	if !db.IsPostgres(to.DSN) {
		return nil
	}
	schema, err := metadata.OpenSchema(to.DSN)
	if err != nil {
		return err
	}
	version, err := schema.Current(ctx)
	if err = errors.Join(err, schema.Close()); err == nil && version > 0 {
		return occupied("the database")
	}
	return err
}

// keep stores what is not there yet.
func keep(ctx context.Context, held *storage.Storage) TakeBlob {
	return func(desc ocispec.Descriptor, r io.Reader) error {
		if info, err := held.Bytes.Stat(ctx, desc.Digest); err == nil && info.Size == desc.Size {
			return nil
		}
		return content.WriteBlob(ctx, held.Bytes, desc, r)
	}
}
