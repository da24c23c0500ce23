// Package whereabouts remembers which repositories of registries have which blobs, so that
// others of the same registry mount them and the bytes travel once.
package whereabouts

import (
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"cove/internal/limit"
)

// most bounds the blobs that are remembered: enough for the layers of any build or copy,
// and little memory for a client that lives as long as a server.
const most = 4096

// Blobs remembers where blobs were when they were last read or sent. What has gone since
// costs nothing: a registry that cannot mount opens an upload in the same answer. Its zero
// value is ready, and safe for concurrent use.
type Blobs struct {
	sending limit.Keyed

	mu    sync.Mutex
	repos map[string]string
}

func key(host string, blob digest.Digest) string { return host + " " + blob.String() }

// Note remembers that a repository has a blob.
func (b *Blobs) Note(host, repo string, blob digest.Digest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.repos == nil || len(b.repos) >= most {
		b.repos = map[string]string{}
	}
	b.repos[key(host, blob)] = repo
}

// Lock waits until no other repository of the registry is sent the blob: who comes after
// mounts it.
func (b *Blobs) Lock(ctx context.Context, host string, blob digest.Digest) (unlock func(), err error) {
	return b.sending.Lock(ctx, key(host, blob))
}

// From is where a repository may mount a blob from: what is remembered, before what the
// caller knows.
func (b *Blobs) From(host, repo string, blob digest.Digest, known []string) []string {
	b.mu.Lock()
	has := b.repos[key(host, blob)]
	b.mu.Unlock()
	from := make([]string, 0, len(known)+1)
	for _, k := range append([]string{has}, known...) {
		if k != "" && k != repo && !slices.Contains(from, k) {
			from = append(from, k)
		}
	}
	return from
}
