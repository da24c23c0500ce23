package storage

import (
	"cove/content/s3store/objects"
	"cove/errdefs"
	"cove/internal/strictyaml"
)

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
	Attempts int                 `yaml:"attempts"`
	Timeout  strictyaml.Duration `yaml:"timeout"`
}

// Check refuses what cannot be.
func (s *S3) Check() error {
	switch {
	case s.Bucket == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "config: storage: s3: bucket is missing")
	case s.Attempts < 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "config: storage: s3: attempts is %d; use 1 or more", s.Attempts)
	}
	return nil
}

// Place is where the bucket is.
func (s *S3) Place() *objects.Config {
	return &objects.Config{
		Endpoint: s.Endpoint, Bucket: s.Bucket, Prefix: s.Prefix, Region: s.Region,
		Credentials: s.Credentials, CA: s.CA, VirtualHosts: s.VirtualHosts,
		Attempts: s.Attempts, Timeout: s.Timeout.Or(0),
	}
}
