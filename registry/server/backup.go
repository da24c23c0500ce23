package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/registry/backup"
	"cove/registry/db/dump"
	"cove/registry/fsck"
	"cove/registry/metadata"
	"cove/registry/pairing"
	"cove/registry/server/config"
	"cove/registry/storage"
)

// Backup writes all that a registry is, whether or not it runs; see backup.Make.
func Backup(
	ctx context.Context, cfg config.Config, to backup.Target, damaged func(digest.Digest, error),
) (_ backup.Summary, err error) {
	s, err := openWhole(ctx, &cfg, "")
	if err != nil {
		return backup.Summary{}, err
	}
	defer func() { err = errors.Join(err, s.close(false)) }()
	return backup.Make(ctx, backup.Source{
		Root: s.root, DSN: cfg.DSN(), DB: s.db, Bytes: s.storage.Bytes, Spool: cfg.Root,
	}, to, damaged)
}

// restoringFile marks a root in which a restore has begun and not ended: what is
// there is not whole, and must not be served.
const restoringFile = "restoring"

// refuseHalf refuses a root in which a restore was cut off.
func refuseHalf(root *os.Root) error {
	if !isHalf(root) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrConflict, "registry root %s: a restore into it was cut off; run it again", root.Name())
}

func isHalf(root *os.Root) bool {
	_, err := root.Lstat(restoringFile)
	return !errors.Is(err, fs.ErrNotExist)
}

// Restored is what a restore has brought back, and what a check of it says.
type Restored struct {
	backup.Summary
	Checked fsck.Checked
}

// Restore makes a registry out of a backup, where none is, and checks all of it.
// One that was cut off is begun again, and goes on.
func Restore(
	ctx context.Context, cfg config.Config, from backup.Reader, found func(fsck.Finding),
) (done Restored, err error) {
	if err := cfg.Complete(); err != nil {
		return done, err
	}
	if err := os.MkdirAll(cfg.Root, 0o755); err != nil {
		return done, fmt.Errorf("registry root: %w", err)
	}
	s := &state{}
	defer func() { err = errors.Join(err, s.close(false)) }()
	if s.root, err = os.OpenRoot(cfg.Root); err != nil {
		return done, fmt.Errorf("registry root: %w", err)
	}
	if cfg.Database == "" {
		if err := s.claim(cfg.Root); err != nil {
			return done, err
		}
	}
	if err := s.restoreDatabase(ctx, cfg, from); err != nil {
		return done, err
	}
	if done.Summary, err = from.Rest(ctx, func(f backup.File) error {
		return backup.WriteFiles(s.root, []backup.File{f})
	}, s.restoreBlob(ctx)); err != nil {
		return done, err
	}
	p, err := pairing.Look(ctx, cfg.Root, s.db, s.storage)
	if err != nil {
		return done, err
	}
	if err := p.Adopt(ctx, s.db, s.storage); err != nil {
		return done, err
	}
	if err := s.root.Remove(restoringFile); err != nil {
		return done, err
	}
	done.Checked, err = fsck.Run(ctx, s.storage.Bytes, s.db, false, found)
	return done, err
}

// restoreDatabase fills the database and opens it, with the storage.
func (s *state) restoreDatabase(ctx context.Context, cfg config.Config, from backup.Reader) error {
	if err := s.emptyOrHalf(ctx, cfg); err != nil {
		return err
	}
	if err := atomicfile.Write(s.root, restoringFile, nil, 0o600, atomicfile.Durable); err != nil {
		return err
	}
	for _, name := range []string{"", "-wal", "-shm", ".restored"} {
		if err := s.root.Remove(pairing.DatabaseFile + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	file := filepath.Join(cfg.Root, pairing.DatabaseFile+".restored")
	if err := from.Database(ctx, file); err != nil {
		return err
	}
	err := dump.Check(ctx, file)
	switch {
	case err != nil:
	case cfg.Database == "":
		err = s.root.Rename(filepath.Base(file), pairing.DatabaseFile)
	default:
		err = errors.Join(dump.Read(ctx, file, metadata.Config{DSN: cfg.Database}.Connection()), os.Remove(file))
	}
	if err != nil {
		return err
	}
	if s.db, err = metadata.Open(ctx, metadata.Config{DSN: cfg.DSN()}); err != nil {
		return err
	}
	s.storage, err = storage.Open(ctx, cfg.StorageConfig(s.db))
	return err
}

// emptyOrHalf refuses a place where a registry is.
func (s *state) emptyOrHalf(ctx context.Context, cfg config.Config) error {
	if isHalf(s.root) {
		return nil
	}
	occupied := func(what string) error {
		return errdefs.Errorf(errdefs.ErrConflict, "%s holds a registry already; restore into an empty place, and then "+
			"put it where this one is", what)
	}
	for _, name := range []string{pairing.DatabaseFile, "content"} {
		if _, err := s.root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return occupied(s.root.Name())
		}
	}
	if cfg.Database == "" {
		return nil
	}
	schema, err := metadata.OpenSchema(cfg.Database)
	if err != nil {
		return err
	}
	version, err := schema.Current(ctx)
	if err = errors.Join(err, schema.Close()); err == nil && version > 0 {
		return occupied("the database")
	}
	return err
}

// restoreBlob stores what is not there yet.
func (s *state) restoreBlob(ctx context.Context) func(ocispec.Descriptor, io.Reader) error {
	return func(desc ocispec.Descriptor, r io.Reader) error {
		if info, err := s.storage.Bytes.Stat(ctx, desc.Digest); err == nil && info.Size == desc.Size {
			return nil
		}
		return content.WriteBlob(ctx, s.storage.Bytes, desc, r)
	}
}
