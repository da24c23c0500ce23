// Package storage opens where a registry's bytes and its records lie: the folder
// content of its root, or a bucket of an S3 service, which several servers share.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cove/content"
	"cove/content/fsstore"
	"cove/content/s3store"
	"cove/content/s3store/objects"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/records"
)

// Config says where the storage is.
type Config struct {
	// Root is the registry's.
	Root string
	// Bucket is used in place of the folder, if it is given.
	Bucket *objects.Config
	// DB keeps how far writes to the bucket have come.
	DB *metadata.DB
}

// Storage is an open one.
type Storage struct {
	Bytes   content.BlobStore
	Records *records.Records

	cfg    Config
	name   string
	bucket *objects.Bucket // nil: a folder
	folder *fsstore.Store  // nil: a bucket
}

// contentDir is the folder in the root, and spoolDir that of bytes on their way to
// a bucket.
const (
	contentDir = "content"
	spoolDir   = "spool"
	recordsDir = "records"
)

// Open opens the storage and makes what is missing, but no bucket. Close it.
func Open(ctx context.Context, cfg Config) (*Storage, error) {
	s := &Storage{cfg: cfg, name: filepath.Join(cfg.Root, contentDir)}
	open := s.openFolder
	if cfg.Bucket != nil {
		open = s.openBucket
	}
	if err := open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenExisting is Open for who must not make a storage: one that is not mounted is
// not one that has lost everything. It is errdefs.ErrNotFound.
func OpenExisting(ctx context.Context, cfg Config) (*Storage, error) {
	if cfg.Bucket == nil {
		dir := filepath.Join(cfg.Root, contentDir)
		if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "no storage at %s: %w", dir, err)
		}
		return Open(ctx, cfg)
	}
	s, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	id, err := s.Records.Identity(ctx)
	if err == nil && id == "" {
		err = errdefs.Errorf(errdefs.ErrNotFound, "no registry's storage at %s", s.name)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Storage) openFolder(context.Context) (err error) {
	if s.folder, err = fsstore.Open(s.name, fsstore.Options{}); err != nil {
		return err
	}
	s.Bytes = s.folder
	dir := filepath.Join(s.name, recordsDir)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("registry root: %w", err)
	}
	s.Records, err = records.OpenFolder(dir, records.Options{})
	return err
}

func (s *Storage) openBucket(ctx context.Context) (err error) {
	if s.bucket, err = objects.Connect(ctx, *s.cfg.Bucket); err != nil {
		return err
	}
	s.name = s.bucket.Name()
	if err := s.bucket.Check(ctx); err != nil {
		return err
	}
	spool := filepath.Join(s.cfg.Root, spoolDir)
	if err := os.Mkdir(spool, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("registry root: %w", err)
	}
	if s.Bytes, err = s3store.New(s.bucket, s3store.Options{States: states{s.cfg.DB}, Spool: spool}); err != nil {
		return err
	}
	s.Records, err = records.OpenBucket(ctx, s.bucket)
	return err
}

// Name is what messages call the place.
func (s *Storage) Name() string { return s.name }

// Close releases everything.
func (s *Storage) Close() error {
	var errs []error
	if s.Records != nil {
		errs = append(errs, s.Records.Close())
	}
	if s.folder != nil {
		errs = append(errs, s.folder.Close())
	}
	if s.bucket != nil {
		errs = append(errs, s.bucket.Close())
	}
	s.Records, s.folder, s.bucket = nil, nil, nil
	return errors.Join(errs...)
}

// SetAside moves the content out of the way and opens an empty one. What lies in a
// bucket stays there: to move it is to copy it.
func (s *Storage) SetAside(ctx context.Context) error {
	if s.cfg.Bucket != nil {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"%s is not set aside, as a folder would be: name another prefix or bucket, and the registry begins there", s.name)
	}
	if err := s.Close(); err != nil {
		return err
	}
	if err := os.Rename(s.name, s.name+time.Now().UTC().Format(AsideFormat)); err != nil {
		return fmt.Errorf("setting the content aside: %w", err)
	}
	if err := os.Mkdir(s.name, 0o700); err != nil {
		return fmt.Errorf("setting the content aside: %w", err)
	}
	return s.openFolder(ctx)
}

// AsideFormat is what is added to the name of something that is set aside.
const AsideFormat = ".20060102T150405Z"
