package server

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/content/s3store/objects"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/pairing"
	"cove/registry/storage"
	"cove/registry/store"
)

// Storage says where the bytes lie: in Root, unless it names a bucket.
type Storage struct {
	S3 *S3 `yaml:"s3"`
}

// S3 is a bucket of an S3 service. It is there, and this registry's alone below
// the prefix; servers of one registry, which share a PostgreSQL, share it too.
type S3 struct {
	// Endpoint is https://HOST[:PORT]; "" is Amazon's of the Region.
	Endpoint string `yaml:"endpoint"`
	Bucket   string `yaml:"bucket"`
	Prefix   string `yaml:"prefix"`
	Region   string `yaml:"region"` // "" is us-east-1
	// Credentials is a file as ~/.aws/credentials is; without one they are looked for
	// where Amazon's own tools do: $AWS_ACCESS_KEY_ID, that file, the machine's role.
	Credentials string `yaml:"credentials"`
	// CA is a file with the authority of the service's certificate.
	CA string `yaml:"ca"`
	// VirtualHosts has the bucket in the host's name, and not in the path, of an
	// Endpoint's URLs.
	VirtualHosts bool `yaml:"virtual_hosts"`
	// Redirect has clients get blobs from the service, by URLs that are good for 20
	// minutes. They must reach the Endpoint, and trust its certificate.
	Redirect bool `yaml:"redirect"`
	// Attempts and Timeout bound a request; see objects.Config.
	Attempts int      `yaml:"attempts"`
	Timeout  Duration `yaml:"timeout"`
}

// locate is nil when every blob is served here.
func (s Storage) locate(r *store.Registry) func(context.Context, string, digest.Digest) (string, error) {
	if s.S3 == nil || !s.S3.Redirect {
		return nil
	}
	return r.LocateBlob
}

func (s Storage) check() error {
	switch {
	case s.S3 == nil:
		return nil
	case s.S3.Bucket == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "config: storage: s3: bucket is missing")
	case s.S3.Attempts < 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "config: storage: s3: attempts is %d; use 1 or more", s.S3.Attempts)
	}
	return nil
}

// storage is what a registry's storage is opened with.
func (c *Config) storage(db *metadata.DB) storage.Config {
	cfg := storage.Config{Root: c.Root, DB: db}
	if s := c.Storage.S3; s != nil {
		cfg.Bucket = &objects.Config{
			Endpoint: s.Endpoint, Bucket: s.Bucket, Prefix: s.Prefix, Region: s.Region,
			Credentials: s.Credentials, CA: s.CA, VirtualHosts: s.VirtualHosts,
			Attempts: s.Attempts, Timeout: s.Timeout.Or(0),
		}
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
