package server

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/registry/metadata"
	"cove/registry/pairing"
	"cove/registry/storage"
	"cove/registry/store"
)

// Storage says where the bytes lie: in Root, unless it names a bucket.
type Storage struct {
	S3 *storage.S3 `yaml:"s3"`
}

// locate is nil when every blob is served here.
func (s Storage) locate(r *store.Registry) func(context.Context, string, digest.Digest) (string, error) {
	if s.S3 == nil || !s.S3.Redirect {
		return nil
	}
	return r.LocateBlob
}

// storage is what a registry's storage is opened with.
func (c *Config) storage(db *metadata.DB) storage.Config {
	cfg := storage.Config{Root: c.Root, DB: db}
	if c.Storage.S3 != nil {
		cfg.Bucket = c.Storage.S3.Place()
	}
	return cfg
}

// databaseLost looks for content of the root whose database is gone. A bucket is
// looked into once the database is open.
func (c *Config) databaseLost() error {
	if c.Storage.S3 != nil {
		return nil
	}
	return pairing.DatabaseLost(c.Root)
}
