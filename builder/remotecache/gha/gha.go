// Package gha keeps a build cache in the cache service of GitHub Actions (its second
// protocol: Twirp with JSON, and blobs of Azure behind signed URLs).
//
// An entry of the service is written once, under a key, and found by its key or the
// newest by a prefix of it. So each blob is an entry by its digest, and each export an
// entry of its manifest, by scope, tag and time. Which branch sees which entries is
// decided by the service, by the job's token: a branch reads its own and its base's, and
// writes its own alone.
package gha

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/errdefs"
)

// Config says which service, and which of its caches.
type Config struct {
	// URL is where the service is, Token what lets a job in.
	URL, Token string
	// Scope tells caches of one repository apart.
	Scope string
	// HTTP, Now and Sleep are for tests; nil is the real one.
	HTTP  *http.Client
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// FromEnvironment completes a configuration by what a job of GitHub Actions has. It is
// errdefs.ErrUnsupported outside of one.
func FromEnvironment(cfg Config, getenv func(string) string) (Config, error) {
	cfg.URL = cmp.Or(cfg.URL, getenv("ACTIONS_RESULTS_URL"))
	cfg.Token = cmp.Or(cfg.Token, getenv("ACTIONS_RUNTIME_TOKEN"))
	if cfg.URL != "" && cfg.Token != "" {
		return cfg, nil
	}
	if cfg.URL == "" && getenv("ACTIONS_CACHE_URL") != "" {
		return cfg, errdefs.Errorf(errdefs.ErrUnsupported, "type=gha: ACTIONS_CACHE_URL alone is a server that "+
			"has only the first protocol of the cache service: use type=registry,ref=IMAGE")
	}
	return cfg, errdefs.Errorf(errdefs.ErrUnsupported, "type=gha: ACTIONS_RESULTS_URL and ACTIONS_RUNTIME_TOKEN "+
		"are not set: in a job of GitHub Actions, an action has to hand both to the steps that run commands "+
		"(actions/github-script with core.exportVariable); elsewhere use type=registry,ref=IMAGE")
}

// Service is both ends of copies with the service: copy.Source and copy.Target.
type Service struct {
	cfg Config

	mu   sync.Mutex
	here map[digest.Digest]bool // blobs that the service said it has
}

// New returns a service; nothing is asked yet.
func New(cfg Config) *Service {
	cfg.URL = strings.TrimSuffix(cfg.URL, "/") + "/"
	cfg.HTTP = cmp.Or(cfg.HTTP, http.DefaultClient)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	return &Service{cfg: cfg, here: map[digest.Digest]bool{}}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func blobKey(dgst digest.Digest) string { return "cove-blob-1-" + dgst.String() }

// indexPrefix begins the keys of the exports of a tag, the newest of which counts.
func (s *Service) indexPrefix(tag string) string {
	sum := sha256.Sum256([]byte(s.cfg.Scope + "\x00" + tag))
	return "cove-index-1-" + hex.EncodeToString(sum[:16]) + "-"
}

// maxManifest bounds a manifest that is read.
const maxManifest = 4 << 20

// Resolve implements copy.Source: the newest export of a tag.
func (s *Service) Resolve(ctx context.Context, tag string) (m distribution.Manifest, err error) {
	entry, err := s.find(ctx, s.indexPrefix(tag), true)
	if err != nil {
		return m, err
	}
	body, err := s.get(ctx, entry, 0)
	if err != nil {
		return m, err
	}
	defer body.Close()
	m.Body, err = io.ReadAll(io.LimitReader(body, maxManifest+1))
	if err == nil && len(m.Body) > maxManifest {
		err = errdefs.Errorf(errdefs.ErrExhausted, "its manifest has more than %d bytes", maxManifest)
	}
	m.Descriptor = ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(m.Body), Size: int64(len(m.Body)),
	}
	return m, err
}

// Referrers implements copy.Source: there are none.
func (s *Service) Referrers(context.Context, digest.Digest) ([]ocispec.Descriptor, error) {
	return nil, nil
}

// Open implements copy.Source. The service forgets what was long not used: that is
// errdefs.ErrNotFound.
func (s *Service) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	entry, err := s.find(ctx, blobKey(desc.Digest), false)
	if err != nil {
		return nil, err
	}
	s.has(desc.Digest)
	return copy.NewReader(desc.Size, func(offset int64) (io.ReadCloser, error) {
		return s.get(ctx, entry, offset)
	}), nil
}

func (s *Service) has(dgst digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here[dgst] = true
}

// PushBlob implements copy.Target.
func (s *Service) PushBlob(ctx context.Context, b copy.Blob) error {
	s.mu.Lock()
	here := s.here[b.Digest]
	s.mu.Unlock()
	if here {
		return nil
	}
	_, err := s.find(ctx, blobKey(b.Digest), false)
	if errors.Is(err, errdefs.ErrNotFound) {
		err = s.upload(ctx, b)
	}
	if err == nil {
		s.has(b.Digest)
	}
	return err
}

func (s *Service) upload(ctx context.Context, b copy.Blob) error {
	r, err := b.Content.Open(ctx, b.Descriptor)
	if err != nil {
		return err
	}
	defer r.Close()
	return s.put(ctx, blobKey(b.Digest), content.Verify(content.NewReader(r), b.Descriptor), b.Size)
}

// PushManifest implements copy.Target.
func (s *Service) PushManifest(ctx context.Context, m distribution.Manifest, tag string) error {
	key := fmt.Sprintf("%s%016x-%s", s.indexPrefix(tag), s.cfg.Now().UnixNano(), m.Descriptor.Digest.Encoded()[:12])
	return s.put(ctx, key, bytes.NewReader(m.Body), int64(len(m.Body)))
}
