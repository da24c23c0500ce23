package migrate

import (
	"context"
	"io"
	"path"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/s3store/objects"
)

// Bucket is an Origin in an S3 service.
type Bucket struct {
	objects *objects.Bucket
}

// OpenBucket opens the bucket and asks whether it may be read. The prefix is the
// "rootdirectory" of the other registry.
func OpenBucket(ctx context.Context, cfg objects.Config) (*Bucket, error) {
	b, err := objects.Connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := b.Check(ctx); err != nil {
		_ = b.Close() // it lets go of connections
		return nil, err
	}
	return &Bucket{objects: b}, nil
}

// Name implements Origin.
func (b *Bucket) Name() string { return b.objects.Name() }

// Close implements Origin.
func (b *Bucket) Close() error { return b.objects.Close() }

// folder is the prefix of what is below a folder.
func folder(dir string) string {
	if dir = path.Clean(dir); dir == "." {
		return ""
	}
	return dir + "/"
}

// List implements Origin.
func (b *Bucket) List(ctx context.Context, dir string) (names []string, err error) {
	for o, err := range b.objects.Folder(ctx, folder(dir)) {
		if err != nil {
			return nil, err
		}
		// Some tools make an object of the folder itself.
		if name := strings.TrimPrefix(o.Key, folder(dir)); name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// Marked implements Origin.
func (b *Bucket) Marked(ctx context.Context, dir, file string) (names []string, err error) {
	for o, err := range b.objects.List(ctx, folder(dir)) {
		if err != nil {
			return nil, err
		}
		name, rest, _ := strings.Cut(strings.TrimPrefix(o.Key, folder(dir)), "/")
		if rest == file {
			names = append(names, name)
		}
	}
	return names, nil
}

// Read implements Origin.
func (b *Bucket) Read(ctx context.Context, name string, most int64) ([]byte, error) {
	r, err := b.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readMost(r, most)
}

// Open implements Origin.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := b.objects.Open(ctx, path.Clean(name))
	if err != nil {
		return nil, err
	}
	return content.NewReadCloser(r), nil
}

// Copier is a store in a bucket of the same service.
type Copier interface {
	CopyFrom(ctx context.Context, desc ocispec.Descriptor, from *objects.Bucket, key string) error
}

// Copy has the service copy the objects.
func (b *Bucket) Copy(to Copier) Give {
	return func(ctx context.Context, name string, desc ocispec.Descriptor) error {
		return to.CopyFrom(ctx, desc, b.objects, path.Clean(name))
	}
}
