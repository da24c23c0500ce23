package client

import (
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"cove/internal/limit"
)

// maxWhereabouts bounds the blobs that are remembered: enough for the layers of any build
// or copy, and little memory for a client that lives as long as a server.
const maxWhereabouts = 4096

// whereabouts remembers which repository of a registry had a blob when it was last read
// from or sent to there, so that another repository of that registry can mount it and the
// bytes travel once. What has gone since costs nothing: the registry that cannot mount
// opens an upload in the same answer. Its zero value is ready.
type whereabouts struct {
	// sending has one repository of a registry at a time send a blob: the next mounts it.
	sending limit.Keyed

	mu    sync.Mutex
	repos map[string]string
}

func blobAt(host string, blob digest.Digest) string { return host + " " + blob.String() }

// note remembers that a repository has a blob.
func (w *whereabouts) note(r *Repository, blob digest.Digest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.repos == nil || len(w.repos) >= maxWhereabouts {
		w.repos = map[string]string{}
	}
	w.repos[blobAt(r.host, blob)] = r.name
}

// lock waits until no other repository of the registry is sent the blob.
func (w *whereabouts) lock(ctx context.Context, r *Repository, blob digest.Digest) (unlock func(), err error) {
	return w.sending.Lock(ctx, blobAt(r.host, blob))
}

// from is where r may mount a blob from: what is remembered, before what the caller knows.
func (w *whereabouts) from(r *Repository, blob digest.Digest, known []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	repo := w.repos[blobAt(r.host, blob)]
	if repo == "" || repo == r.name || len(known) > 0 && known[0] == repo {
		return known
	}
	return append([]string{repo}, slices.DeleteFunc(slices.Clone(known), func(k string) bool { return k == repo })...)
}
